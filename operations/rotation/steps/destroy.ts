import { destroyBefore } from "../../values/kv.ts";
import { keptAt } from "../retention.ts";
import type { Run } from "../run.ts";

/**
 * Destroys every version before the latest, of the source and of each consumer's path, but for old encryption keys in
 * the source whose retention has not ended (R22).
 */
export async function destroyOld(
  { vault, model, secret, journal, clock }: Run,
  latest: number,
): Promise<void> {
  const { kv } = model.vault.mounts;
  await destroyBefore(vault, kv, secret.source, latest, keptAt(journal, clock.now()));
  for (const { path } of secret.consumers) await destroyBefore(vault, kv, path);
}
