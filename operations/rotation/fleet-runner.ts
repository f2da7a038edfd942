import type { Vault } from "../../clients/vault.ts";
import type { Consumer, Model, RotationModel, Secret } from "../../model/model.ts";
import { DeliveryError } from "../delivery/sink.ts";
import { type SinkOptions, sinksOf } from "../delivery/sinks.ts";
import type { Report } from "../progress.ts";
import type { Fields } from "../values/shape.ts";
import { resumeByHand, rotateToGiven } from "./by-hand.ts";
import { vaultClock } from "./clock.ts";
import { databaseReach } from "./connect.ts";
import { abortRotation, type Outcome, resumeRotation, rotate } from "./engine.ts";
import { errorSourcesOf } from "./error-sources.ts";
import { asksForEvidence, evidenceOf, type RefusalCase } from "./evidence.ts";
import { type Bounds, type Candidate, type Held, runFleet } from "./fleet.ts";
import { isUnderWay, type Journal } from "./journal.ts";
import { readJournal } from "./journal-store.ts";
import { probesOf } from "./probes.ts";
import { EvidenceError, requireEvidence, writeEvidence } from "./promotion.ts";
import type { Reach, Reason } from "./rotator.ts";
import { rotatorOf } from "./rotators/index.ts";
import type { Subject } from "./run.ts";
import { candidatesOf, type Left, type Status, statusOf, type Wanted } from "./status.ts";
import { ErrorWatch } from "./watch.ts";

/** What every rotation of a run shares. */
export interface Runner {
  /** Logged in as the rotation role. */
  vault: Vault;
  model: RotationModel;
  /** The role or person, for the record. */
  by: string;
  report: Report;
  signal: AbortSignal;
  /** Git commit of the catalogue; evidence is bound to it. */
  commit?: string;
  /** The hosts of services, as far as this machine is one. */
  host: SinkOptions;
  /** PEM of the CA of databases; the system's roots when absent. */
  ca?: string;
  /** The Vault of the environment before this one, where there is one; asked for each time evidence is. */
  previous?: () => Promise<Vault>;
  /** In place of the real ways out, for tests. */
  reach?: Reach;
}

/** What became of one secret in a run. */
export type Row = { secret: string } & (
  | { outcome: Outcome }
  | { held: Held }
  | { left: string }
  | { error: unknown }
);

/**
 * Rotates what is wanted, as many at once as the bounds allow, and takes each as far as it goes: to its end, or to where
 * only time has to pass. With `wait` it stays for that as well.
 */
export async function rotateMany(
  runner: Runner,
  secrets: readonly Secret[],
  wanted: Wanted,
  { wait }: { wait: boolean },
): Promise<Row[]> {
  const clock = await vaultClock(runner.vault);
  const states = await statusOf(runner, secrets, clock.now());
  const chosen = candidatesOf(states, wanted, runner.model.rotation.jitter, clock.now());
  const byId = new Map(states.map((status) => [status.secret.id, status]));
  for (const { secret, why } of chosen.left)
    runner.report({ subject: secret, state: "unchanged", text: why });
  const { ended, held } = await runFleet({
    candidates: chosen.candidates,
    elsewhere: elsewhere(states, chosen.candidates, clock.now()),
    bounds: boundsOf(runner.model, secrets),
    signal: runner.signal,
    run: async (candidate) => {
      const status = byId.get(candidate.secret);
      if (status === undefined) throw new Error(`${candidate.secret} is not among what was read`);
      const reason = wanted.what === "these" ? wanted.reason : "scheduled";
      if (!candidate.underWay) {
        await refuseUnreached(runner, status.secret);
        await mayBegin(runner, status, reason);
      }
      return take(runner, status.secret, {
        reason,
        wait,
        isBegun: candidate.underWay && wanted.what !== "these",
      });
    },
  });
  if (wanted.what !== "these") await completeEvidence(runner, states);
  return rowsOf(secrets, ended, held, chosen.left);
}

/** Rolls rotations back. @returns a row for each */
export async function abortMany(runner: Runner, secrets: readonly Secret[], why: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const secret of secrets) {
    try {
      const subject = await subjectOf(runner, secret);
      const outcome = await abortRotation({ ...subject, ...mannerOf(runner), wait: true, why });
      await keepEvidence(runner, secret, outcome);
      rows.push({ secret: secret.id, outcome });
    } catch (error) {
      rows.push({ secret: secret.id, error });
    }
  }
  return rows;
}

/**
 * Rotates what a person makes to the value that was given, as far as it goes now.
 * @throws ValueError, ConflictError
 */
export async function rotateGiven(runner: Runner, secret: Secret, given: Fields): Promise<Row> {
  await refuseUnreached(runner, secret);
  const subject = await subjectOf(runner, secret);
  const manner = { ...mannerOf(runner), reason: "scheduled" as const, wait: false };
  const outcome = await rotateToGiven({ ...subject, ...manner }, given);
  await keepEvidence(runner, secret, outcome);
  return { secret: secret.id, outcome };
}

/**
 * Goes on with rotations of what a person makes.
 * @param confirmedBy the person who says to have revoked the old values
 */
export async function resumeConfirmed(
  runner: Runner,
  secrets: readonly Secret[],
  { wait, confirmedBy }: { wait: boolean; confirmedBy: string },
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const secret of secrets) {
    try {
      const subject = await subjectOf(runner, secret);
      const outcome = await resumeByHand({ ...subject, ...mannerOf(runner), wait }, confirmedBy);
      await keepEvidence(runner, secret, outcome);
      rows.push({ secret: secret.id, outcome });
    } catch (error) {
      rows.push({ secret: secret.id, error });
    }
  }
  return rows;
}

/** Milliseconds for which a run stays with a rotation that waits for others, beside the time that it watches. */
const stays = 2 * 60_000;
/** A wait of more milliseconds than that in the drain is the overlap, which a later run takes up. */
const shortly = 2 * 60_000;

/** One secret, to its end or to where only the overlap has to pass; meanwhile it looks when the rotation says. */
async function take(
  runner: Runner,
  secret: Secret,
  { reason, wait, isBegun }: { reason: Reason; wait: boolean; isBegun: boolean },
): Promise<Outcome> {
  const subject = await subjectOf(runner, secret);
  const manner = mannerOf(runner);
  const clock = await vaultClock(runner.vault);
  const until = clock.now().getTime() + runner.model.rotation.watch * 1000 + stays;
  let outcome = isBegun
    ? await resumeRotation({ ...subject, ...manner, wait })
    : await rotate({ ...subject, ...manner, reason, wait });
  while (!wait && isUnderWay(outcome) && !outcome.isStuck && outcome.busy === undefined) {
    const at = outcome.notBefore === undefined ? 0 : Date.parse(outcome.notBefore);
    const now = clock.now().getTime();
    if (at > until || now > until || (outcome.state === "drain" && at > now + shortly)) break;
    await clock.sleep(Math.max(at - clock.now().getTime(), 200), runner.signal);
    outcome = await resumeRotation({ ...subject, ...manner, wait });
  }
  await keepEvidence(runner, secret, outcome);
  return outcome;
}

function mannerOf({ by, report, signal, commit }: Runner) {
  return { by, report, signal, ...(commit !== undefined && { commit }) };
}

/** What the engine works with for one secret. */
export async function subjectOf(runner: Runner, secret: Secret): Promise<Subject> {
  const { vault, model, host } = runner;
  const reach = runner.reach ?? reachOf(runner);
  const services = new Map(model.services.map((service) => [service.id, service]));
  const sinks = (consumer: Consumer) => {
    const service = services.get(consumer.id);
    return service === undefined ? [] : sinksOf(model, service, host);
  };
  const options = { fetch: reach.fetch, ...host };
  const probes = (consumer: Consumer) => {
    const service = services.get(consumer.id);
    return service === undefined ? [] : probesOf(secret, service, options);
  };
  const watch = watchOf(model, secret, options);
  const rotator = await rotatorOf(secret);
  return { vault, model, secret, rotator, reach, sinks, probes, ...(watch !== undefined && { watch }) };
}

/** Seconds for which errors are counted before anything is delivered, at most. */
const longestBaseline = 30;

/** Counters of errors of a secret's consumers, where the catalogue names any (R48). */
function watchOf(
  model: RotationModel,
  { consumers }: Secret,
  options: { fetch: typeof fetch; root?: string; project?: string },
): ErrorWatch | undefined {
  const ids = new Set(consumers.map(({ id }) => id));
  const services = model.services.filter(({ id }) => ids.has(id));
  const file = model.vault.audit.find(({ type }) => type === "file")?.options.file_path;
  const sources = errorSourcesOf(model, services, { ...options, ...(file !== undefined && { audit: file }) });
  const window = Math.min(model.rotation.watch, longestBaseline);
  return sources.length === 0 ? undefined : new ErrorWatch(sources, { window });
}

/** The real ways out to targets. */
export function reachOf({ vault, model, ca }: Runner): Reach {
  return { ...databaseReach({ vault, model, ...(ca !== undefined && { ca }) }), fetch };
}

/** What may run at once, here. */
export function boundsOf({ rotation }: Pick<Model, "rotation">, secrets: readonly Secret[]): Bounds {
  const providers: Bounds["providers"] = {};
  for (const { provider } of secrets) {
    if (provider?.rate === undefined) continue;
    const { requests, per } = provider.rate;
    providers[provider.name] = { calls: requests, interval: per, perRotation: callsPerRotation };
  }
  return { concurrent: rotation.concurrent, blackouts: rotation.blackouts, providers };
}

/**
 * Of a key that says itself what it is: three to make the next one, one to stage it, two to probe it, one to see the old
 * one idle, three to revoke it, and the question whether it is refused. Lists of several pages and providers that say
 * less take more, which the throttle of `providers/` spaces out.
 */
const callsPerRotation = 11;

/** What other runners are at: they hold the lease and touch consumers; who waits for the overlap touches nobody. */
function elsewhere(states: readonly Status[], ours: readonly Candidate[], now: Date) {
  const own = new Set(ours.map(({ secret }) => secret));
  return states
    .filter(({ secret, journal }) => {
      if (journal === undefined || !isUnderWay(journal) || own.has(secret.id)) return false;
      return journal.state !== "drain" && Date.parse(journal.leaseUntil) > now.getTime();
    })
    .map(({ secret: { consumers } }) => ({ services: consumers.map(({ id }) => id) }));
}

/** Whether the environment before lets a rotation begin here (R25). */
export type Evidenced =
  | { state: "shown"; rotation: string }
  | { state: "not needed"; why: string }
  | { state: "refused"; case: RefusalCase | undefined; why: string };

/**
 * What the environment before says of a secret; undefined where none comes before this one.
 * @throws LoginError, VaultError, VaultUnreachableError
 */
export async function evidenceFor(
  { model, commit, previous }: Runner,
  { secret, version, standing }: Status,
  reason: Reason,
): Promise<Evidenced | undefined> {
  const { promotion } = model;
  if (promotion === undefined) return undefined;
  // A first value replaces none.
  if (!asksForEvidence(reason) || version === 0) {
    return { state: "not needed", why: `${reason}: evidence of ${promotion.environment} is not waited for` };
  }
  if (previous === undefined) throw new Error(`nothing leads to the Vault of ${promotion.environment}`);
  const last = standing.last === undefined ? {} : { last: standing.last };
  const expected = { commit: commit ?? "none", healthyFor: model.rotation.watch, now: new Date(), ...last };
  try {
    const { rotation } = await requireEvidence({ vault: await previous(), promotion, secret }, expected);
    return { state: "shown", rotation };
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return { state: "refused", case: error.case, why: error.message };
  }
}

/** A rotation that could not deliver would stop half-way. @throws DeliveryError before anything is made */
async function refuseUnreached(runner: Runner, secret: Secret): Promise<void> {
  const { sinks } = await subjectOf(runner, secret);
  const reasons: string[] = [];
  for (const consumer of secret.consumers) {
    for (const sink of sinks(consumer)) {
      const why = await sink.unreached?.();
      if (why !== undefined) reasons.push(`${consumer.id}, ${sink.name}: ${why}`);
    }
  }
  if (reasons.length > 0) throw new DeliveryError(`${secret.id} is left as it is. ${reasons.join("; ")}`);
}

/** @throws EvidenceError where the environment before has to show it first */
async function mayBegin(runner: Runner, status: Status, reason: Reason): Promise<void> {
  const found = await evidenceFor(runner, status, reason);
  if (found?.state === "refused") throw new EvidenceError(found.why, found.case);
  if (found?.state === "not needed") {
    runner.report({ subject: status.secret.id, state: "progress", text: found.why });
  }
}

/** What a rotation that ended here shows to the environment after this one. */
async function keepEvidence(runner: Runner, secret: Secret, { state }: Outcome): Promise<void> {
  if (runner.model.vault.evidenceKey === undefined || isUnderWay({ state })) return;
  const { journal } = await readJournal(runner, secret);
  if (journal !== undefined) await showEvidence(runner, secret, journal);
}

/** Evidence that a runner was killed before it could write. */
async function completeEvidence(runner: Runner, states: readonly Status[]): Promise<void> {
  if (runner.model.vault.evidenceKey === undefined) return;
  for (const { secret, journal } of states) {
    runner.signal.throwIfAborted();
    if (journal !== undefined) await showEvidence(runner, secret, journal);
  }
}

async function showEvidence({ vault, model, by }: Runner, secret: Secret, journal: Journal): Promise<void> {
  // Without a commit nobody could follow it; a first value shows nothing of a rotation.
  if (journal.commit === undefined || journal.reason === "first") return;
  const lasts = model.rotation.evidence;
  const { environment } = model;
  const evidence = evidenceOf(journal, { environment, secret, commit: journal.commit, lasts, by });
  if (evidence === undefined || Date.parse(evidence.expires) < Date.now()) return;
  await writeEvidence({ vault, model }, secret, evidence);
}

function rowsOf(
  secrets: readonly Secret[],
  ended: Awaited<ReturnType<typeof runFleet<Outcome>>>["ended"],
  held: readonly Held[],
  left: readonly Left[],
): Row[] {
  const rows = new Map<string, Row>();
  for (const { secret, why } of left) rows.set(secret, { secret, left: why });
  for (const one of held) rows.set(one.secret, { secret: one.secret, held: one });
  for (const { secret, outcome, error } of ended) {
    rows.set(secret, outcome === undefined ? { secret, error } : { secret, outcome });
  }
  return secrets.flatMap(({ id }) => rows.get(id) ?? []);
}
