import type { Fields } from "../../values/shape.ts";
import { isPassing } from "../retry.ts";
import type { Idleness } from "../rotator.ts";
import type { Run, Turn } from "../run.ts";
import { again } from "./consumer.ts";

/**
 * On the way back, before the new value is refused: who still uses it (sessions of a pool, a copy of its own) is waited
 * for and named, for one overlap after everybody had the old value back. Then it goes on: the new value is the one that
 * was found wrong, every consumer runs the old one, and until a roll back has ended nothing can be rotated, what has
 * leaked neither.
 */
export async function leftInUse(run: Run, next: Fields, kept: Fields): Promise<Turn | undefined> {
  const { secret, clock, patience, signal } = run;
  if (run.isShort) {
    run.skip("the new value was not waited for to be unused: whoever still uses it is refused now");
    return undefined;
  }
  // A person revokes it, and looks whether it is used.
  if (secret.rotate.by === "hand") return undefined;
  if (run.journal.backAt === undefined) await run.lease.save({ backAt: clock.now().toISOString() });
  const back = Date.parse(run.journal.backAt ?? run.journal.since);
  const end = back + Math.max(secret.rotate.overlap * 1000, patience.pickUp);
  const soon = clock.now().getTime() + patience.pickUp;
  for (let pause = patience.poll.first; ; pause = Math.min(pause * 2, patience.poll.longest)) {
    const found = await idlenessOfNew(run, next, kept);
    if (found.state === "idle") return undefined;
    if (found.state === "unknown") {
      run.note(`whether the new value was still used when it was revoked is not seen: ${found.why}`);
      // What was signed or sent with it a moment ago comes to its end.
      await clock.sleep(Math.max(0, back + patience.poll.longest - clock.now().getTime()), signal);
      return undefined;
    }
    const who = found.by.length > 0 ? found.by.join(", ") : "somebody";
    const now = clock.now().getTime();
    if (now >= end) {
      run.note(`${who} still used the new value when it was revoked: ${found.evidence}`);
      return undefined;
    }
    const text = `${who} still use(s) the new value: ${found.evidence}`;
    if (now >= soon) return { wait: text, until: again(run) };
    run.say(text);
    await clock.sleep(pause, signal);
  }
}

/**
 * A counter of the old key's use says nothing here: everybody is meant to use that one again. What sinks show was looked at
 * when each consumer was brought the old one.
 */
async function idlenessOfNew(run: Run, next: Fields, kept: Fields): Promise<Idleness> {
  const { idle } = run.secret;
  if (idle?.source === "metric")
    return { state: "unknown", why: `${idle.metric} counts the use of the old one` };
  const found = await idlenessOf(run, next, kept);
  return found.state === "unknown" && idle?.source === "sinks"
    ? {
        state: "unknown",
        why: "idle: sinks shows that whoever used it runs the old one again, where a sink can tell, and no more",
      }
    : found;
}

/** Whether a value is used while another one stays; unknown as well where the target does not tell because of a dead value. */
export async function idlenessOf(run: Run, old: Fields, kept: Fields): Promise<Idleness> {
  try {
    return await run.act(() => run.rotator.idle(run.context, old, kept));
  } catch (error) {
    run.signal.throwIfAborted();
    if (isPassing(error) || !(error instanceof Error)) throw error;
    return { state: "unknown", why: error.message };
  }
}
