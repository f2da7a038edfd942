import type { Seconds } from "../../model/duration.ts";
import { ConflictError } from "../values/kv.ts";
import { isPastReturn, isSwitching, isUnderWay, type State, wasAsked } from "./journal.ts";
import { lackingFields } from "./lacking-fields.ts";
import type { Changes } from "./lease.ts";
import { madeElsewhere } from "./made-at.ts";
import { movedTarget } from "./moved-target.ts";
import { CiphertextRemainsError } from "./re-encryption/census.ts";
import { isPassing, retryAfter, withBackoff } from "./retry.ts";
import { PersonNeededError, ProbeError } from "./rotator.ts";
import type { Run, Turn, WaitsFor } from "./run.ts";
import { again } from "./steps/consumer.ts";
import {
  deliverListeners,
  deliverSigners,
  observeListeners,
  observeSigners,
  stage,
} from "./steps/deliver.ts";
import { drain, migrate } from "./steps/drain.ts";
import { generate } from "./steps/generate.ts";
import { revoke, verify } from "./steps/revoke.ts";
import { rollBack } from "./steps/roll-back.ts";
import { watch } from "./steps/watch.ts";

const turns: Record<Exclude<State, "done" | "rolled-back">, (run: Run) => Promise<Turn>> = {
  generate,
  stage,
  "deliver-listeners": deliverListeners,
  "observe-listeners": observeListeners,
  "deliver-signers": deliverSigners,
  "observe-signers": observeSigners,
  watch,
  migrate,
  drain,
  revoke,
  verify,
  "rolling-back": rollBack,
};

/** Seconds until rows that still need the old key are counted again: a whole table is read for it. */
const looksAtRows: Seconds = 60;

/** Why a rotation does not go on now. */
export interface Waits {
  wait: string;
  until: Date;
  /** Time alone will not help: a person has to look. */
  isStuck: boolean;
  waitsFor?: WaitsFor;
}

/**
 * Takes a rotation through its states until it ends or has to wait for longer than the lease allows.
 * @returns why and until when it waits; undefined when it has ended
 * @throws whatever no step expects; the signal's reason
 */
export async function drive(run: Run): Promise<Waits | undefined> {
  const { lease, clock, signal, report, secret, model } = run;
  for (;;) {
    const before = run.journal;
    const { state, abort, waiting } = before;
    if (state === "done" || state === "rolled-back" || !isUnderWay(run.journal)) return undefined;
    const elsewhere = madeElsewhere(secret, model, before);
    const turn =
      elsewhere !== undefined
        ? { wait: elsewhere, until: again(run), isStuck: true }
        : abort !== undefined && state !== "rolling-back" && !isPastReturn(run.journal)
          ? backwards(abort)
          : await turnOf(run, async () => (await unfollowed(run)) ?? turns[state](run));
    if ("to" in turn) {
      await kept(run, () => enter(run, turn));
      if (!locksOut(turn.to)) run.stop.letGo();
      const said = turn.to === "done" ? "done" : turn.to === "rolled-back" ? "failed" : "progress";
      report({ subject: secret.id, state: said, text: turn.text, step: turn.to });
      continue;
    }
    if (wasAsked(before, run.journal)) continue;
    const waits: Waits = { isStuck: false, until: clock.now(), ...turn };
    const pause = waits.until.getTime() - clock.now().getTime();
    if (!run.waits || pause > lease.lasts / 3) return waits;
    if (waiting !== waits.wait) {
      run.say(waits.wait);
      await kept(run, () => lease.save({ waiting: waits.wait, notBefore: waits.until.toISOString() }));
    }
    // Whoever stops it here finds in the journal whom it waits for.
    run.stop.letGo();
    await clock.sleep(pause, signal);
  }
}

/** What the catalogue has changed so that a rotation under way cannot follow it. */
async function unfollowed(run: Run): Promise<Turn | undefined> {
  return (await movedTarget(run)) ?? lackingFields(run);
}

/** Whether a state follows in which consumers may be refused, where the target accepts one value at a time. */
function locksOut(state: State): boolean {
  return state === "rolling-back" || (isSwitching({ state }) && state !== "observe-signers");
}

/** Writes the next state; the last one gives the lease back. */
async function enter({ lease, clock }: Run, turn: Extract<Turn, { to: State }>): Promise<void> {
  const changes: Changes = {
    waiting: undefined,
    notBefore: undefined,
    // Said of the old value, it is not said of the new one.
    ...(turn.to === "rolling-back" && { confirmedBy: undefined }),
    ...turn.changes,
    state: turn.to,
    since: clock.now().toISOString(),
    attempt: 1,
  };
  await (turn.to === "done" || turn.to === "rolled-back" ? lease.release(changes) : lease.save(changes));
}

/** A state's turn, tried again while what it needs is away for a moment. */
async function turnOf(run: Run, turn: (run: Run) => Promise<Turn>): Promise<Turn> {
  const { clock, signal, patience } = run;
  const later = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000);
  try {
    return await kept(run, () => turn(run));
  } catch (error) {
    signal.throwIfAborted();
    const { state } = run.journal;
    const mayReturn = state !== "rolling-back" && !isPastReturn(run.journal);
    if (error instanceof ProbeError && mayReturn) return backwards(error.message);
    if (error instanceof ConflictError) {
      if (state === "generate") return backwards(error.message);
      return { wait: error.message, until: later(patience.again / 1000), isStuck: true };
    }
    if (error instanceof ProbeError || error instanceof PersonNeededError)
      return { wait: error.message, until: later(patience.again / 1000), isStuck: true };
    if (error instanceof CiphertextRemainsError) {
      return { wait: error.message, until: later(Math.max(looksAtRows, patience.again / 1000)) };
    }
    if (!isPassing(error)) throw error;
    const seconds = Math.max(retryAfter(error) ?? 0, patience.again / 1000);
    return { wait: (error as Error).message, until: later(seconds), waitsFor: "target" };
  }
}

function kept<T>(run: Run, act: () => Promise<T>): Promise<T> {
  const { clock, signal, backoff } = run;
  const said = (error: Error, pause: number) =>
    run.say(`${error.message}; tried again in ${Math.ceil(pause / 1000)} s`);
  return withBackoff(act, { clock, signal, backoff, said });
}

function backwards(failure: string): Turn {
  return { to: "rolling-back", changes: { failure }, text: `rolls back: ${failure}` };
}
