import { keptId, keptServiceId } from "../../model/kept-names.ts";
import type { RotationModel } from "../../model/model.ts";
import { eachOf } from "../rotation/status.ts";
import type { Writer } from "./deliver.ts";

type Reading = Pick<Writer, "vault" | "model">;

/**
 * Paths of consumers with a value that no consumer of this run's catalogue has, in their order: the consumer was taken out of the
 * secret, or the secret, service or job out of the catalogue. Nothing is destroyed here: a run of another commit, or of a checkout
 * of before, would take from a service what it reads. Reads no value.
 */
export async function leftPaths({ vault, model }: Reading): Promise<string[]> {
  const { kv } = model.vault.mounts;
  const used = new Set(model.secrets.flatMap(({ consumers }) => consumers.map(({ path }) => path)));
  const isKept = keptBy(model);
  const found: string[] = [];
  for (let folders = ["services/", "ci/"]; folders.length > 0; ) {
    const listed = await eachOf(folders, async (folder) =>
      (await vault.list(`${kv}/metadata/${folder}`)).map((name) => `${folder}${name}`),
    );
    const all = listed.flat();
    folders = all.filter((path) => path.endsWith("/"));
    found.push(...all.filter((path) => !path.endsWith("/") && !used.has(path) && !isKept(path)));
  }
  const holds = await eachOf(found, async (path) => holdsValue(vault, kv, path));
  return found.filter((_, index) => holds[index]).sort();
}

async function holdsValue(vault: Reading["vault"], kv: string, path: string): Promise<boolean> {
  const metadata = await vault.read<{ versions: Record<string, { destroyed: boolean }> }>(
    `${kv}/metadata/${path}`,
  );
  return Object.values(metadata?.versions ?? {}).some(({ destroyed }) => !destroyed);
}

/** What is retired loses its readers and keeps its data, until a later change says `delete: true`. */
function keptBy({ secrets, services }: RotationModel): (path: string) => boolean {
  const stays = ({ retired }: { retired?: { delete: boolean } }) => retired?.delete === false;
  const ofSecrets = new Set(secrets.filter(stays).map(keptId));
  const ofServices = new Set(services.filter(stays).map(keptServiceId));
  return (path) => {
    const [, system, owner, secret] = path.split("/");
    return ofSecrets.has(`${system}/${secret}`) || ofServices.has(`${system}/${owner}`);
  };
}
