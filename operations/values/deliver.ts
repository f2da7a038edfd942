import type { Vault } from "../../clients/vault.ts";
import type { Consumer, Model, Secret } from "../../model/model.ts";
import {
  ConflictError,
  describe,
  fingerprints,
  type PathState,
  readFields,
  stateOf,
  writeFields,
} from "./kv.ts";
import { consumerFields, type Fields, inOrder, shapeOf } from "./shape.ts";

/** Who writes, for the record: the role or the person. */
export interface Writer {
  vault: Vault;
  model: Model;
  by: string;
}

/** The state of a secret's source; its metadata is completed where a crash left it behind. */
export async function sourceState(writer: Writer, secret: Secret): Promise<PathState> {
  const state = await stateOf(writer.vault, writer.model.vault.mounts.kv, secret.source);
  if (state.version === 0 || state.gone || described(state)) return state;
  const fields = await readSource(writer, secret);
  if (fields === undefined) return state;
  return { ...state, custom: await describeVersion(writer, secret.source, state.version, fields, {}) };
}

/**
 * The fields of a source's latest version; undefined where there is none. They are values: keep them out of messages.
 * @throws VaultError where the writer may not read it
 */
export async function readSource({ vault, model }: Writer, secret: Secret): Promise<Fields | undefined> {
  return readFields(vault, model.vault.mounts.kv, secret.source);
}

/**
 * Writes a new source version and what may be known about it.
 * @throws ConflictError when `after` is not the latest version
 */
export async function writeSource(
  writer: Writer,
  secret: Secret,
  { fields, after }: { fields: Fields; after: number },
): Promise<number> {
  const { vault, model } = writer;
  const version = await writeFields(vault, model.vault.mounts.kv, secret.source, { fields, after });
  await describeVersion(writer, secret.source, version, fields, {});
  return version;
}

/** Whether a rotation of the secret is under way: its journal says in which state, "done" at the end. */
export async function isRotating({ vault, model }: Writer, secret: Secret): Promise<boolean> {
  const journal = await readFields(vault, model.vault.mounts.kv, secret.journal);
  return journal !== undefined && journal.state !== "done";
}

/** How a consumer's path stands against the source's version. */
export type Arrival = "arrived" | "absent" | "behind" | "other-shape" | "gone";

/**
 * Compares a consumer's path with version `source` of the secret's source, by its metadata alone: no value is read.
 * @throws VaultError where the writer may not see the metadata
 */
export async function arrival(
  { vault, model }: Writer,
  secret: Secret,
  consumer: Consumer,
  source: number,
): Promise<Arrival> {
  const state = await stateOf(vault, model.vault.mounts.kv, consumer.path);
  if (state.version === 0) return "absent";
  if (state.gone) return "gone";
  if (!described(state) || state.custom["source-version"] !== String(source)) return "behind";
  const shape = shapeOf(secret, consumer);
  return state.custom.shape === shape ? "arrived" : "other-shape";
}

/**
 * Brings the source's latest version to every consumer that has not got it, listeners first and signers last.
 * Can be stopped and repeated anywhere.
 * @param wanted decides about a consumer that lacks it
 * @returns the ids of those written
 * @throws the signal's reason, between two consumers
 */
export async function deliver(
  writer: Writer,
  secret: Secret,
  source: number,
  wanted: (arrival: Exclude<Arrival, "arrived">) => Promise<boolean>,
  signal?: AbortSignal,
): Promise<string[]> {
  const written: string[] = [];
  let fields: Fields | undefined;
  for (const consumer of inOrder(secret.consumers)) {
    signal?.throwIfAborted();
    const state = await arrival(writer, secret, consumer, source);
    if (state === "arrived" || !(await wanted(state))) continue;
    fields ??= await readSource(writer, secret);
    if (fields === undefined) throw new ConflictError(`${secret.source} was removed meanwhile`);
    await deliverTo(writer, secret, consumer, { source, fields });
    written.push(consumer.id);
  }
  return written;
}

/** Writes one consumer's path, whatever it holds. */
export async function deliverTo(
  writer: Writer,
  secret: Secret,
  consumer: Consumer,
  { source, fields }: { source: number; fields: Fields },
): Promise<void> {
  const { vault, model } = writer;
  const mount = model.vault.mounts.kv;
  const own = consumerFields(secret, consumer, fields);
  const { version: after } = await stateOf(vault, mount, consumer.path);
  const version = await writeFields(vault, mount, consumer.path, { fields: own, after });
  const shape = shapeOf(secret, consumer);
  await describeVersion(writer, consumer.path, version, own, { "source-version": String(source), shape });
}

async function describeVersion(
  { vault, model, by }: Writer,
  path: string,
  version: number,
  fields: Fields,
  more: Record<string, string>,
): Promise<Record<string, string>> {
  const { mounts, fingerprintKey } = model.vault;
  const custom = {
    ...(await fingerprints(vault, { transit: mounts.transit, key: fingerprintKey }, fields)),
    ...more,
    version: String(version),
    "written-at": new Date().toISOString(),
    by,
  };
  await describe(vault, mounts.kv, path, custom);
  return custom;
}

/** Whether the metadata speaks of the latest version: it is written after it, and a crash may fall between. */
function described(state: PathState): boolean {
  return state.custom.version === String(state.version);
}
