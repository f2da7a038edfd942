import type { Secret } from "../../model/model.ts";
import type { Journal, State } from "./journal.ts";
import type { Reason } from "./rotator.ts";
import type { WaitsFor } from "./run.ts";

/** How far a rotation has come. */
export interface Outcome {
  secret: string;
  /** Empty where there was never a rotation. */
  id: string;
  reason: Reason;
  state: State;
  from: number;
  to?: number;
  /** There was nothing to do. */
  unchanged: boolean;
  /** Why it does not go on, in words, and when it may. */
  waiting?: string;
  notBefore?: string;
  /** Time alone will not help. */
  isStuck: boolean;
  /** What it waits for where that is nobody's to do. */
  waitsFor?: WaitsFor;
  /** Another runner is at it. */
  busy?: { owner: string; until: string };
  /** Another runner has rotated it since it was looked at: nothing was begun here. */
  doneBy?: string;
  skipped: string[];
  notes: string[];
  failure?: string;
  /** The target refuses the value that it ended with: in words, with what heals it. */
  keptRefused?: string;
}

/**
 * Nothing is done: what the last rotation came to.
 * @param doneBy the runner that has made it meanwhile
 */
export function untouched(
  { id }: Pick<Secret, "id">,
  journal: Journal | undefined,
  now: Date,
  doneBy?: string,
): Outcome {
  const last = outcomeOf(id, journal ?? noRotation(now));
  return { ...last, unchanged: true, ...(doneBy !== undefined && { doneBy }) };
}

/** What the command says of a rotation as its journal has it. */
export function outcomeOf(secret: string, journal: Journal): Outcome {
  const {
    id,
    reason,
    state,
    from,
    to,
    waiting,
    notBefore,
    skipped,
    notes = [],
    failure,
    keptRefused,
  } = journal;
  return {
    secret,
    id,
    reason,
    state,
    from,
    ...(to !== undefined && { to }),
    unchanged: false,
    ...(waiting !== undefined && { waiting }),
    ...(notBefore !== undefined && { notBefore }),
    isStuck: false,
    skipped,
    notes,
    ...(failure !== undefined && { failure }),
    ...(keptRefused !== undefined && { keptRefused }),
  };
}

/** What stands for the journal of what was never rotated. */
export function noRotation(now: Date): Journal {
  const at = now.toISOString();
  const none = { id: "", owner: "", attempt: 0, from: 0, skipped: [], history: [] };
  return { ...none, state: "done", reason: "scheduled", leaseUntil: at, startedAt: at, since: at };
}
