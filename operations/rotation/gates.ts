import { VaultUnreachableError } from "../../clients/vault.ts";
import type { Secret } from "../../model/model.ts";
import { checkSinks } from "../delivery/check-sinks.ts";
import { DeliveryError, UnreachedError } from "../delivery/sink.ts";
import { inWords } from "../errors.ts";
import { vaultClock } from "./clock.ts";
import { asksForEvidence, evidenceOf, type RefusalCase } from "./evidence.ts";
import { isUnderWay, type Journal } from "./journal.ts";
import { readJournal } from "./journal-store.ts";
import type { Outcome } from "./outcome.ts";
import { EvidenceError, type Promotable, requireEvidence, writeEvidence } from "./promotion.ts";
import { PersonNeededError, type Reason } from "./rotator.ts";
import type { Subject } from "./run.ts";
import { type Runner, subjectOf } from "./runner.ts";

/** Whether the environment before lets a rotation begin here (R25). */
export type Evidenced =
  | { state: "shown"; rotation: string; notProbed: string[] }
  | { state: "not needed"; why: string }
  | { state: "refused"; case: RefusalCase | undefined; why: string };

/** What asks to begin: a secret or an encryption key with the version that it has; 0 where it has none. */
export interface Asking {
  subject: Promotable;
  version: number;
  /** When its last rotation here began: evidence of before is used up. */
  last?: Date;
}

/** A secret or an encryption key whose rotations are evidence. */
export type Evidential = Pick<Secret, "id" | "journal" | "evidence">;

/**
 * What the environment before says of a secret or an encryption key; undefined where none comes before this one.
 * @throws LoginError, VaultError, VaultUnreachableError
 */
export async function evidenceFor(
  { model, commit, previous }: Runner,
  { subject, version, last }: Asking,
  reason: Reason,
): Promise<Evidenced | undefined> {
  const { promotion } = model;
  if (promotion === undefined) return undefined;
  // A first value replaces none.
  if (!asksForEvidence(reason) || version === 0) {
    return { state: "not needed", why: `${reason}: evidence of ${promotion.environment} is not waited for` };
  }
  if (previous === undefined) throw new Error(`nothing leads to the Vault of ${promotion.environment}`);
  try {
    const vault = await previous();
    // The times of evidence are of that Vault's clock.
    const now = (await vaultClock(vault)).now();
    const healthyFor = model.rotation.watch;
    const expected = { commit: commit ?? "none", healthyFor, now, ...(last && { last }) };
    const { rotation, notProbed = [] } = await requireEvidence({ vault, promotion, subject }, expected);
    return { state: "shown", rotation, notProbed: notProbed.map(({ consumer }) => consumer) };
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return { state: "refused", case: error.case, why: error.message };
  }
}

/** A place that keeps a rotation from beginning here. */
export interface Barrier {
  consumer: string;
  /** The consumer and its sink, as a plan names them. */
  place: string;
  /** Who can do something about it. */
  by: "another machine" | "whoever set it up" | "a person's delivery";
  text: string;
}

/**
 * What is known to stand in the way before anything is read: a place that cannot be brought anything from here, and one that
 * only a person writes where nothing hurries.
 * @param begins why it is about to begin; undefined where it is under way
 */
export async function barriersTo(
  { sinks }: Pick<Subject, "sinks">,
  { consumers }: Pick<Secret, "consumers">,
  begins: Reason | undefined,
): Promise<Barrier[]> {
  const found: Barrier[] = [];
  for (const consumer of consumers) {
    for (const sink of sinks(consumer)) {
      const at = { consumer: consumer.id, place: `${consumer.id}, ${sink.name}` };
      const why = await sink.unreached?.();
      if (why !== undefined) {
        const by = why instanceof UnreachedError ? "another machine" : "whoever set it up";
        found.push({ ...at, by, text: `${consumer.id}, ${why.message}` });
      } else if (begins === "scheduled" && sink.byHand !== undefined) {
        found.push({ ...at, by: "a person's delivery", text: `${at.place}: ${sink.byHand}` });
      }
    }
  }
  return found;
}

/** Why they keep a rotation from beginning, those of one sort together; undefined where nothing does. */
export function refusalBy(barriers: readonly Pick<Barrier, "by" | "text">[]): string | undefined {
  const inTurn = (["another machine", "whoever set it up", "a person's delivery"] as const).flatMap((by) =>
    barriers.filter((barrier) => barrier.by === by),
  );
  return inTurn.length === 0 ? undefined : inTurn.map(({ text }) => text).join("; ");
}

/**
 * A rotation that could not deliver would stop half-way. What a person has to bring is a reason as well where nothing hurries.
 * @param begins why it is about to begin; undefined where it is under way
 * @throws UnreachedError where another machine has to do it, DeliveryError for what is wrong here, PersonNeededError where only
 * a person stands in the way; before anything is made
 */
export async function refuseUnreached(
  runner: Runner,
  secret: Secret,
  begins: Reason | undefined,
): Promise<void> {
  const { sinks } = await subjectOf(runner, secret);
  const barriers: Pick<Barrier, "consumer" | "by" | "text">[] = await barriersTo({ sinks }, secret, begins);
  const barred = new Set(
    barriers.filter(({ by }) => by !== "a person's delivery").map(({ consumer }) => consumer),
  );
  for (const consumer of begins === undefined || begins === "first" ? [] : secret.consumers) {
    if (barred.has(consumer.id)) continue;
    try {
      await checkSinks(runner, secret, consumer, sinks(consumer));
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      const text = `${consumer.id}: ${error.message}`;
      barriers.push({ consumer: consumer.id, by: "whoever set it up", text });
    }
  }
  const refusal = refusalBy(barriers);
  if (refusal === undefined) return;
  const text = `${secret.id} is left as it is. ${refusal}`;
  const isBy = (who: Barrier["by"]) => barriers.some(({ by }) => by === who);
  if (isBy("whoever set it up")) throw new DeliveryError(text);
  if (isBy("another machine")) throw new UnreachedError(text);
  throw new PersonNeededError(text);
}

/** @throws EvidenceError where the environment before has to show it first */
export async function mayBegin(runner: Runner, asking: Asking, reason: Reason): Promise<void> {
  const found = await evidenceFor(runner, asking, reason);
  if (found?.state === "refused") throw new EvidenceError(found.why, found.case);
  if (found?.state === "not needed") {
    runner.report({ subject: asking.subject.id, state: "progress", text: found.why });
  }
}

/** Evidence of a rotation that could not be written. */
export interface Unkept {
  secret: string;
  error: UnkeptEvidenceError;
}

/** What the rotation came to stands: nothing of it is to be done again. */
export class UnkeptEvidenceError extends Error {
  override name = "UnkeptEvidenceError";
}

/**
 * What a rotation that ended here shows to the environment after this one.
 * @returns what could not be written, and why: it takes nothing from what the rotation came to
 */
export async function keepEvidence(
  runner: Runner,
  subject: Evidential,
  { state }: Outcome,
): Promise<Unkept[]> {
  if (runner.model.vault.evidenceKey === undefined || isUnderWay({ state })) return [];
  try {
    const { journal } = await readJournal(runner, subject);
    if (journal !== undefined) await showEvidence(runner, subject, journal);
    return [];
  } catch (error) {
    return [unkept(subject, error)];
  }
}

/**
 * Evidence that a runner was killed before it could write. Stopped, it leaves the rest to the next run.
 * @returns what could not be written, and why
 */
export async function completeEvidence(
  runner: Runner,
  states: readonly { subject: Evidential; journal?: Journal }[],
): Promise<Unkept[]> {
  const failed: Unkept[] = [];
  if (runner.model.vault.evidenceKey === undefined) return failed;
  for (const { subject, journal } of states) {
    if (runner.signal.aborted) break;
    if (journal === undefined) continue;
    try {
      await showEvidence(runner, subject, journal);
    } catch (error) {
      failed.push(unkept(subject, error));
      // Each of the others would be waited for as long.
      if (error instanceof VaultUnreachableError) break;
    }
  }
  return failed;
}

function unkept({ id }: Evidential, cause: unknown): Unkept {
  const text = `evidence of its last rotation could not be written (${inWords(cause)}): the next \`keyplane rotate --due\` writes it`;
  return { secret: id, error: new UnkeptEvidenceError(text, { cause }) };
}

async function showEvidence(
  { vault, model, by }: Runner,
  subject: Evidential,
  journal: Journal,
): Promise<void> {
  // Without a commit nobody could follow it; a first value shows nothing of a rotation.
  if (journal.commit === undefined || journal.reason === "first") return;
  const lasts = model.rotation.evidence;
  const { environment } = model;
  const evidence = evidenceOf(journal, { environment, secret: subject, commit: journal.commit, lasts, by });
  if (evidence === undefined || Date.parse(evidence.expires) < (await vaultClock(vault)).now().getTime())
    return;
  await writeEvidence({ vault, model }, subject, evidence);
}
