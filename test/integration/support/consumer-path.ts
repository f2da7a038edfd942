import type { Model } from "../../../model/model.ts";

/** A KV path as Vault's API has it. */
export function dataPath(model: Model, path: string): string {
  return `${model.vault.mounts.kv}/data/${path}`;
}

/** Every path that holds a value or a journal, with the only consumer that may read it, if any. */
export function valuePaths(model: Model): { path: string; reader: string | undefined }[] {
  return model.secrets.flatMap((secret) => [
    { path: dataPath(model, secret.source), reader: undefined },
    { path: dataPath(model, secret.journal), reader: undefined },
    ...secret.consumers.map(({ id, path }) => ({
      path: dataPath(model, path),
      reader: id as string | undefined,
    })),
  ]);
}
