import type { Vault } from "../../clients/vault.ts";
import type { Consumer, RotationModel, Secret } from "../../model/model.ts";
import { isUnderWay, type Journal } from "../rotation/journal.ts";
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
  model: RotationModel;
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
  { fields, after, rotation, hashes }: NewVersion,
): Promise<number> {
  const { vault, model } = writer;
  const version = await writeFields(vault, model.vault.mounts.kv, secret.source, { fields, after });
  const known = hashes ?? (await fingerprintsOf(writer, fields));
  await noteVersion(writer, secret.source, version, { ...known, ...(rotation && { rotation }) });
  return version;
}

export interface NewVersion {
  fields: Fields;
  /** The latest version until now. */
  after: number;
  /** Id of the rotation that makes it. */
  rotation?: string;
  /** Its fingerprints, where they are known already. */
  hashes?: Record<string, string>;
}

/** Writes what may be known about a source version, for one that is there without it. */
export async function describeSource(
  writer: Writer,
  secret: Secret,
  version: number,
  fields: Fields,
  rotation?: string,
): Promise<void> {
  await describeVersion(writer, secret.source, version, fields, rotation === undefined ? {} : { rotation });
}

/** Keyed hashes of fields under the organization's key, by field. */
export async function fingerprintsOf(
  { vault, model }: Pick<Writer, "vault" | "model">,
  fields: Fields,
): Promise<Record<string, string>> {
  const { mounts, fingerprintKey } = model.vault;
  return fingerprints(vault, { transit: mounts.transit, key: fingerprintKey }, fields);
}

/** Whether a rotation of the secret is under way: one that was rolled back is not. */
export async function isRotating(writer: Writer, secret: Secret): Promise<boolean> {
  return isUnderWay(await journalOf(writer, secret));
}

/** Whether a rotation is under way in which consumers may still hold different versions. */
export async function isSpreading(writer: Writer, secret: Secret): Promise<boolean> {
  const journal = await journalOf(writer, secret);
  return isUnderWay(journal) && (journal?.switchedAt === undefined || journal.state === "rolling-back");
}

async function journalOf({ vault, model }: Writer, secret: Secret) {
  const entry = await vault.read<{ data: Pick<Journal, "state" | "switchedAt"> | null }>(
    `${model.vault.mounts.kv}/data/${secret.journal}`,
  );
  return entry?.data ?? undefined;
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

/** What a consumer's path is to hold, and for the record which version and phase of a rotation that is. */
export interface Content {
  source: number;
  fields: Fields;
  phase?: string;
  /** Id of the rotation that brings it. */
  rotation?: string;
}

/**
 * Brings content to one consumer's path. Where the path holds just that already, only its record is renewed: the
 * version that the consumer runs stays the latest, and nobody restarts for nothing (R34).
 * @param known the path's state, where it was just read
 * @returns the path's version
 */
export async function deliverTo(
  writer: Writer,
  secret: Secret,
  consumer: Consumer,
  { source, fields, phase, rotation }: Content,
  known?: PathState,
): Promise<number> {
  const { vault, model } = writer;
  const mount = model.vault.mounts.kv;
  const own = consumerFields(secret, consumer, fields);
  const state = known ?? (await stateOf(vault, mount, consumer.path));
  const hashes = await fingerprintsOf(writer, own);
  const isHeld = holds(state, hashes);
  const version = isHeld
    ? state.version
    : await writeFields(vault, mount, consumer.path, { fields: own, after: state.version });
  // A record that is renewed goes on naming the rotation that wrote the version, and says so where none did.
  const madeBy = isHeld ? (state.custom.rotation ?? (rotation && "none")) : rotation;
  const record = {
    "source-version": String(source),
    shape: shapeOf(secret, consumer),
    ...(phase && { phase }),
    ...(madeBy && { rotation: madeBy }),
  };
  await noteVersion(writer, consumer.path, version, { ...hashes, ...record });
  return version;
}

/** How a consumer's path stands against content that a rotation wants there, by its metadata alone. */
export async function hasArrived(
  { vault, model }: Writer,
  secret: Secret,
  consumer: Consumer,
  { source, phase }: Pick<Content, "source" | "phase">,
): Promise<Stand> {
  const state = await stateOf(vault, model.vault.mounts.kv, consumer.path);
  const { custom, version } = state;
  const held = described(state) && !state.gone ? Number(custom["source-version"]) : 0;
  const arrived = held === source && custom.phase === phase && custom.shape === shapeOf(secret, consumer);
  return { arrived, version, source: held, rotation: custom.rotation, state };
}

export interface Stand {
  arrived: boolean;
  /** Of the path. */
  version: number;
  /** Source version that the path holds; 0 where that is not known. */
  source: number;
  /** Id of the rotation that wrote what the path holds, where one did. */
  rotation: string | undefined;
  state: PathState;
}

function holds(state: PathState, hashes: Record<string, string>): boolean {
  if (state.version === 0 || state.gone || !described(state)) return false;
  const held = Object.entries(state.custom).filter(([key]) => key.startsWith("fingerprint-"));
  return held.length === Object.keys(hashes).length && held.every(([key, hash]) => hashes[key] === hash);
}

async function describeVersion(
  writer: Writer,
  path: string,
  version: number,
  fields: Fields,
  more: Record<string, string>,
): Promise<Record<string, string>> {
  return noteVersion(writer, path, version, { ...(await fingerprintsOf(writer, fields)), ...more });
}

async function noteVersion(
  { vault, model, by }: Writer,
  path: string,
  version: number,
  what: Record<string, string>,
): Promise<Record<string, string>> {
  const custom = { ...what, version: String(version), "written-at": new Date().toISOString(), by };
  await describe(vault, model.vault.mounts.kv, path, custom);
  return custom;
}

/** Whether the metadata speaks of the latest version: it is written after it, and a crash may fall between. */
function described(state: PathState): boolean {
  return state.custom.version === String(state.version);
}
