import type { Seconds } from "../../model/duration.ts";
import { keptId, keptServiceId } from "../../model/kept-names.ts";
import type { RotationModel } from "../../model/model.ts";
import { eachOf } from "../rotation/status.ts";
import { leftAt, type Writer } from "./deliver.ts";
import { ConflictError, describe, destroyBefore, readFields, stateOf, writeVersion } from "./kv.ts";

/**
 * A consumer's path with a value that no consumer of the catalogue has: the consumer was taken out of the secret, or the
 * secret, service or job out of the catalogue. Nobody but the engine may read it.
 */
export interface LeftPath {
  path: string;
  /** When the value has been there so long that it goes. */
  until: Date;
  isDestroyed: boolean;
}

/**
 * So long the value of such a path stays after a run has first seen it so: a run of an older catalogue, or one that is
 * merged and not deployed yet, takes nothing from anybody. Whoever has the consumer again begins anew.
 */
const stays: Seconds = 86_400;

/** Where it is noted since when; beside the journals, whose paths have two names. */
const record = "rotation/left-paths";

type Reading = Pick<Writer, "vault" | "model">;

/** What `destroyLeft` would see. Reads no value and writes nothing. */
export async function leftPaths(reading: Reading, now: Date): Promise<LeftPath[]> {
  const { since } = await sinceOf(reading);
  return (await pathsLeft(reading)).map((path) => leftOf(path, since, now));
}

/**
 * Notes which paths are left, and destroys what was there for a day. May be stopped and run again anywhere.
 * @throws VaultError, VaultUnreachableError
 */
export async function destroyLeft(writer: Writer, now: Date): Promise<LeftPath[]> {
  const { vault, model, by } = writer;
  const { kv } = model.vault.mounts;
  const [paths, noted] = await Promise.all([pathsLeft(writer), sinceOf(writer)]);
  const since = Object.fromEntries(paths.map((path) => [path, noted.since[path] ?? now.toISOString()]));
  if (paths.join() !== Object.keys(noted.since).join()) {
    try {
      await writeVersion(vault, kv, record, { data: since, after: noted.version });
    } catch (error) {
      // Another runner has noted them in this moment.
      if (!(error instanceof ConflictError)) throw error;
      return leftPaths(writer, now);
    }
  }
  const left: LeftPath[] = [];
  for (const path of paths) {
    const one = leftOf(path, since, now);
    if (one.until <= now) {
      // Said before it is done: who is a consumer of it again gets a value, unlike where a person has destroyed it.
      await describe(vault, kv, path, { [leftAt]: now.toISOString(), by });
      const { version } = await stateOf(vault, kv, path);
      await destroyBefore(vault, kv, path, version + 1);
      one.isDestroyed = true;
    }
    left.push(one);
  }
  return left;
}

function leftOf(path: string, since: Record<string, string>, now: Date): LeftPath {
  const from = since[path] === undefined ? now : new Date(since[path]);
  return { path, until: new Date(from.getTime() + stays * 1000), isDestroyed: false };
}

async function sinceOf({
  vault,
  model,
}: Reading): Promise<{ since: Record<string, string>; version: number }> {
  const { kv } = model.vault.mounts;
  const since = (await readFields(vault, kv, record)) ?? {};
  return { since, version: (await stateOf(vault, kv, record)).version };
}

/** In their order. */
async function pathsLeft({ vault, model }: Reading): Promise<string[]> {
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
