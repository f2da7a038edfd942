import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type Clock, vaultClock } from "../../../operations/rotation/clock.ts";
import {
  abortRotation,
  type RotateOptions,
  resumeRotation,
  rotate,
} from "../../../operations/rotation/engine.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import { readJournal } from "../../../operations/rotation/journal-store.ts";
import type { LeaseTimes } from "../../../operations/rotation/lease.ts";
import type { Outcome } from "../../../operations/rotation/outcome.ts";
import type { Reason } from "../../../operations/rotation/rotator.ts";
import type { Subject } from "../../../operations/rotation/run.ts";
import { seeded } from "../../integration/support/seeded.ts";
import type { Call, Count, CrashPoint } from "./counted.ts";
import { quick } from "./quick.ts";

/**
 * A harness that kills a runner (`kill -9`) immediately before and after every call that it makes to the outside, and
 * lets another runner go on. For every rotator with its real target:
 *
 * 1. A module whose default export is a `Scenario`: `open(data, count)` builds the `Subject` (Vault, model, secret,
 *    rotator, reach, sinks, probes) from data that went through JSON. It runs in the killed process, and in the test
 *    for the runner that goes on. Counted by themselves are Vault's requests, `reach`, sinks, probes, rates and the
 *    rotator's own functions; wrap anything else that acts (a file, a signal) in `count("name", () => …)`.
 * 2. `killEverywhere(t, { scenario: import.meta.resolve("./my-scenario.ts"), prepare, converged, … })`: `prepare` makes
 *    a secret of its own with a first value for each crash, `converged` checks what must be true in the end: the current
 *    credential works, nothing is left over at the target. `held`, where given, looks right after the kill, before anybody
 *    goes on: the current credential works. That it is `done` (with `rollsBack`: `rolled-back`), and that every path keeps
 *    one version, is checked here. `aborts` kills whoever takes back a rotation that only waits for its overlap.
 *
 * Without `KEYPLANE_SCALE=prove` one seeded point of each state is taken, another one each day (`KEYPLANE_SEED` takes those
 * of a day again), otherwise all of them. That a runner was killed at each of them is checked here as well. A value that `values`
 * names must not stand in anything that the killed runner printed.
 */
export interface Scenario<Data> {
  open(data: Data, count: Count): Promise<{ subject: Subject; close(): Promise<void> }>;
}

export interface Crashes<Data> {
  /** URL of the scenario's module. */
  scenario: string;
  prepare(): Promise<Data>;
  held?(data: Data, at: string): Promise<void>;
  converged(data: Data, outcome: Outcome, at: string): Promise<void>;
  /** Every value that was made for it. */
  values(data: Data): Promise<Iterable<string>> | Iterable<string>;
  reason?: Reason;
  /**
   * It is killed while it rolls back: because somebody aborts it once everybody has the new value and what is stored is
   * under it, or by itself.
   */
  rollsBack?: "aborted" | "by itself";
  /** Whoever comes after the killed runner takes the rotation back, wherever that is still possible. */
  isTakenBack?: boolean;
  /** Milliseconds after which the next runner comes; once the lease has run out by default. */
  later?: number;
  /** Narrows the points down, e.g. to one state. */
  only?(call: Call): boolean;
  /** Points of each state where not all are taken; 1 by default. */
  perState?: number;
}

export interface CrashInput {
  scenario: string;
  data: unknown;
  reason: Reason;
  rollsBack?: "aborted" | "by itself";
  at?: CrashPoint;
  lease?: LeaseTimes;
}

export interface Killed {
  /** Calls of an undisturbed run. */
  calls: number;
  /** Points at which a runner was killed. */
  killed: number;
}

const isWhole = process.env.KEYPLANE_SCALE === "prove";

/** By default the day's, in days since 1970: a new one finds what the last did not, and one day's failures stay. */
const seed = Number(process.env.KEYPLANE_SEED ?? Math.floor(Date.now() / 86_400_000));

/**
 * Of the points of an undisturbed run, how many a run of a secret of its own must reach within three: how often something is
 * looked at differs from run to run, and its last calls with that. Of the few that are seeded, all.
 */
const share = isWhole ? 0.98 : 1;

/** Kills at every point (or at one of each state), each time with a secret of its own; all of them converge. */
export async function killEverywhere<Data>(
  t: { diagnostic(message: string): void },
  crashes: Crashes<Data>,
): Promise<Killed> {
  const { calls } = await undisturbed(crashes);
  const { only = () => true, rollsBack } = crashes;
  const points = pointsOf(calls, {
    ...crashes,
    only: (call) => (rollsBack !== "by itself" || call.state === "rolling-back") && only(call),
  });
  const killed = await killAll(t, { calls, points }, (point, at) => killAt(crashes, point, at));
  return { calls: calls.length, killed };
}

/**
 * Kills at each of the points, up to three times where a run does not come to it.
 * @param killAt whether a runner was killed there; rejects where what was left did not converge
 * @returns at how many of them one was killed
 */
export async function killAll(
  t: { diagnostic(message: string): void },
  { calls, points }: { calls: Call[]; points: CrashPoint[] },
  killAt: (point: CrashPoint, at: string) => Promise<boolean>,
): Promise<number> {
  const today = isWhole ? "" : `, KEYPLANE_SEED=${seed}`;
  const missed: string[] = [];
  for (const point of points) {
    const call = calls[point.index];
    const at = `killed ${point.when} call ${point.index} (${call?.name}, ${call?.state}${today})`;
    let isKilled = false;
    for (let tried = 0; tried < 3 && !isKilled; tried++) isKilled = await killAt(point, at);
    if (!isKilled) missed.push(at);
  }
  const killed = points.length - missed.length;
  t.diagnostic(
    `${killed} of ${points.length} points killed and converged; ${calls.length} calls in a rotation${today}`,
  );
  assert.ok(
    killed > 0 && killed >= share * points.length,
    `${killed} of ${points.length}: not ${missed.join("; not ")}`,
  );
  return killed;
}

async function undisturbed<Data>(crashes: Crashes<Data>): Promise<{ calls: Call[] }> {
  const data = await prepared(crashes);
  const { code, stdout, stderr } = await run(crashes, data);
  assert.equal(code, 0, stderr);
  const { outcome, calls } = JSON.parse(stdout) as { outcome: Outcome; calls: Call[] };
  await assertEnded({ ...crashes, isTakenBack: false }, data, outcome, "not killed");
  return { calls };
}

/** Where to kill: before and after each call, or at a seeded one of each state. */
export function pointsOf(
  calls: Call[],
  { only = () => true, perState = 1 }: Pick<Crashes<unknown>, "only" | "perState"> = {},
): CrashPoint[] {
  const indexes = calls.flatMap((call, index) => (only(call) ? [index] : []));
  if (isWhole) {
    return indexes.flatMap((index) => [
      { index, when: "before" as const },
      { index, when: "after" as const },
    ]);
  }
  const random = seeded(seed);
  const next = (below: number) => Math.floor(random() * below);
  const states = [...new Set(indexes.map((index) => calls[index]?.state))];
  return states.flatMap((state) => {
    const of = indexes.filter((index) => calls[index]?.state === state);
    const first = next(2);
    return Array.from({ length: perState }, (_, turn): CrashPoint => {
      return { index: of[next(of.length)] ?? 0, when: (first + turn) % 2 === 0 ? "before" : "after" };
    });
  });
}

/** Whether it was killed at all: waits differ from run to run, and with them the number of calls. */
async function killAt<Data>(crashes: Crashes<Data>, point: CrashPoint, at: string): Promise<boolean> {
  const data = await prepared(crashes);
  const before = await opened(crashes, data, journalOf);
  const { signal, stdout, stderr } = await run(crashes, data, point);
  await crashes.held?.(data, at);
  const outcome = await goOn(crashes, data, before);
  await assertEnded(crashes, data, outcome, at);
  for (const value of await crashes.values(data)) {
    assert.ok(!`${stdout}${stderr}`.includes(value), `${at}: a value stands in the runner's log`);
  }
  return signal === "SIGKILL";
}

async function assertEnded<Data>(
  crashes: Crashes<Data>,
  data: Data,
  outcome: Outcome,
  at: string,
): Promise<void> {
  const { rollsBack, isTakenBack = false } = crashes;
  assert.equal(outcome.state, rollsBack || isTakenBack ? "rolled-back" : "done", `${at}: ${outcome.waiting}`);
  await crashes.converged(data, outcome, at);
  await opened(crashes, data, async ({ vault, model, secret }) => {
    for (const { path } of [{ path: secret.source }, ...secret.consumers]) {
      const metadata = await vault.read<{ versions: Record<string, { destroyed: boolean }> }>(
        `${model.vault.mounts.kv}/metadata/${path}`,
      );
      const left = Object.entries(metadata?.versions ?? {}).filter(([, { destroyed }]) => !destroyed);
      assert.equal(left.length, 1, `${at}: ${path} holds the versions ${left.map(([version]) => version)}`);
    }
  });
}

/** Works with a scenario's subject, of which nothing is counted. */
async function opened<Data, T>(
  crashes: Crashes<Data>,
  data: Data,
  work: (subject: Subject) => Promise<T>,
): Promise<T> {
  const { subject, close } = await openScenario(crashes, data, (_, call) => call());
  try {
    return await work(subject);
  } finally {
    await close();
  }
}

/** A scenario's subject; where it is to be aborted, with an overlap that it waits for. */
export async function openScenario<Data>(
  { scenario, rollsBack }: Pick<CrashInput, "scenario" | "rollsBack">,
  data: Data,
  count: Count,
): Promise<{ subject: Subject; close(): Promise<void> }> {
  const module = (await import(scenario)) as { default: Scenario<Data> };
  const { subject, close } = await module.default.open(data, count);
  if (rollsBack !== "aborted") return { subject, close };
  const { secret } = subject;
  const rotate = { ...secret.rotate, overlap: 3600 };
  return { subject: { ...subject, secret: { ...secret, rotate } }, close };
}

/** A secret for one crash; where it is to be aborted, with a rotation that everybody has taken up. */
async function prepared<Data>(crashes: Crashes<Data>): Promise<Data> {
  const data = await crashes.prepare();
  if (crashes.rollsBack !== "aborted") return data;
  const { state, waiting } = await opened(crashes, data, (subject) =>
    rotate({ ...subject, ...manner, reason: "scheduled", wait: false }),
  );
  assert.equal(state, "drain", waiting);
  return data;
}

const manner = { ...quick, by: "keyplane.rotate", report: () => {} } satisfies Partial<RotateOptions>;

async function journalOf(subject: Subject): Promise<Journal | undefined> {
  return (await readJournal(subject, subject.secret)).journal;
}

/** Another runner, a lease later. What the killed one was told before anything stood in the journal, it is told again. */
async function goOn<Data>(crashes: Crashes<Data>, data: Data, before: Journal | undefined): Promise<Outcome> {
  return opened(crashes, data, async (subject) => {
    const clock = later(await vaultClock(subject.vault), crashes.later ?? 70_000);
    const options = { ...subject, ...manner, wait: true, clock };
    if (crashes.isTakenBack) return abortRotation({ ...options, why: "taken back" });
    if (crashes.rollsBack === "aborted" && (await journalOf(subject))?.abort === undefined)
      return abortRotation({ ...options, why: "told again" });
    const outcome = await resumeRotation(options);
    if (crashes.rollsBack === "aborted" || outcome.id !== (before?.id ?? "")) return outcome;
    return rotate({ ...options, reason: crashes.reason ?? "scheduled" });
  });
}

/** A clock that is ahead of another: what was leased by then has run out. */
export function later(clock: Clock, milliseconds: number): Clock {
  return {
    now: () => new Date(clock.now().getTime() + milliseconds),
    sleep: (pause, signal) => clock.sleep(pause, signal),
    observe: (vault, took) => clock.observe?.(vault, took),
  };
}

async function run<Data>(crashes: Crashes<Data>, data: Data, at?: CrashPoint) {
  const { scenario, reason = "scheduled", rollsBack } = crashes;
  const { ended } = startRunner({
    ...{ scenario, data, reason },
    ...(rollsBack !== undefined && { rollsBack }),
    ...(at !== undefined && { at }),
  });
  return ended;
}

/** A runner in a process of its own, which gets its input on standard input. */
export function startRunner<Input = CrashInput>(
  input: Input,
  program = import.meta.resolve("./crash-runner.ts"),
): {
  pid: number;
  ended: Promise<{ stdout: string; stderr: string; code: number | null; signal: NodeJS.Signals | null }>;
} {
  const child = spawn(process.execPath, [fileURLToPath(program)], {
    stdio: "pipe",
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once("exit", (code, signal) => resolve({ code, signal })),
  );
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(input));
  const ended = Promise.all([text(child.stdout), text(child.stderr), exit]).then(
    ([stdout, stderr, { code, signal }]) => ({ stdout, stderr, code, signal }),
  );
  return { pid: child.pid ?? 0, ended };
}
