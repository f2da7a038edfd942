import type { Vault } from "../../clients/vault.ts";
import type { Model, Secret } from "../../model/model.ts";
import type { Report } from "../progress.ts";
import { isUnderWay } from "../rotation/journal.ts";
import { readJournal } from "../rotation/journal-store.ts";
import {
  type Arrival,
  deliver,
  isRotating,
  isSpreading,
  sourceState,
  type Writer,
  writeSource,
} from "./deliver.ts";
import { ConflictError } from "./kv.ts";
import { firstFields, isMachineMade, LackingFieldError } from "./shape.ts";

export interface FirstValues {
  /** Ids of secrets that got their first value. */
  made: string[];
  /** Ids of secrets of which a consumer got what it lacked. */
  delivered: string[];
  /** Ids of secrets that someone must set by hand, or of which a field was never given. */
  unset: string[];
  /** Ids of database passwords that are not there yet: made together with their user by the rotation engine. */
  withUser: string[];
}

/** Secrets worked on at a time; a local Vault answers faster than we ask. */
const atOnce = 8;

/**
 * Gives every machine-made secret that has none a first value, and every consumer what it lacks. Changes
 * nothing that is there, and reads no value where nothing is missing. Stopped anywhere, it completes the next
 * time: what lies at the source is delivered, never made a second time.
 * @param vault logged in as the rotation role
 */
export async function ensureFirstValues(
  vault: Vault,
  model: Model,
  report: Report,
  { by = "keyplane.rotate" }: { by?: string } = {},
): Promise<FirstValues> {
  const writer: Writer = { vault, model, by };
  const result: FirstValues = { made: [], delivered: [], unset: [], withUser: [] };
  const queue = model.secrets.filter(({ retired }) => retired === undefined);
  const worker = async () => {
    for (let secret = queue.shift(); secret !== undefined; secret = queue.shift()) {
      await ensure(writer, secret, result, report);
    }
  };
  // All come to an end before a failure is told, so that nothing is written behind it.
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  for (const list of Object.values(result) as string[][]) list.sort();
  return result;
}

async function ensure(writer: Writer, secret: Secret, result: FirstValues, report: Report): Promise<void> {
  let { version, gone } = await sourceState(writer, secret);
  if (secret.databaseUser !== undefined && (await lacksUser(writer, secret, version))) {
    result.withUser.push(secret.id);
    return;
  }
  if (gone) {
    // Making a new one could lose data that the old one encrypts.
    const text = `its latest version was deleted: undelete it, or give it a value with \`keyplane set ${secret.id}\``;
    report({ subject: secret.id, state: "failed", text });
    return;
  }
  if (version === 0) {
    if (!isMachineMade(secret)) result.unset.push(secret.id);
    else {
      version = await make(writer, secret);
      result.made.push(secret.id);
    }
    if (version === 0) return;
  }
  const written = await deliver(writer, secret, version, async (arrival) =>
    completes(writer, secret, arrival),
  ).catch((error: unknown) => {
    if (error instanceof LackingFieldError) return error;
    throw error;
  });
  if (written instanceof LackingFieldError) {
    result.unset.push(secret.id);
    report({ subject: secret.id, state: "failed", text: written.message });
    return;
  }
  if (written.length === 0) return;
  result.delivered.push(secret.id);
  report({
    subject: secret.id,
    state: "done",
    text: `version ${version} delivered to ${written.join(", ")}`,
  });
}

/** No first value, one that is not delivered yet, or one that was taken back with its user. */
async function lacksUser({ vault, model }: Writer, secret: Secret, version: number): Promise<boolean> {
  if (version === 0) return true;
  const { journal } = await readJournal({ vault, model }, secret);
  if (journal?.reason !== "first") return false;
  return isUnderWay(journal) || (journal.state === "rolled-back" && journal.to === version);
}

/** Two runs at once make one value: the second finds the first one's. */
async function make(writer: Writer, secret: Secret): Promise<number> {
  try {
    return await writeSource(writer, secret, { fields: firstFields(secret, new Date()), after: 0 });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return (await sourceState(writer, secret)).version;
  }
}

/** A consumer that is behind is a rotation's business while one is under way; so is every one until the signers follow. */
async function completes(writer: Writer, secret: Secret, arrival: Arrival): Promise<boolean> {
  if (arrival === "absent" || arrival === "other-shape") return !(await isSpreading(writer, secret));
  return arrival !== "gone" && !(await isRotating(writer, secret));
}
