import { wasAsked } from "../journal.ts";
import { TargetUnavailableError } from "../rotator.ts";
import type { Run, Turn } from "../run.ts";
import { windowOf } from "../watch.ts";

/**
 * Compares error rates with those before, for as long as the catalogue says; one that rose rolls back (R48).
 * The short path does not wait for them.
 */
export async function watch(run: Run): Promise<Turn> {
  const { model, clock, signal, journal } = run;
  const next = run.rotator.migrate === undefined ? "drain" : "migrate";
  if (run.isShort) {
    run.skip(`error rates were not watched (${model.rotation.watch} s)`);
    return { to: next, text: "the short path does not watch error rates" };
  }
  if (run.watch === undefined || journal.baseline === undefined) {
    run.note("nothing counts errors of its consumers: rates were not watched");
    return { to: next, text: "there are no error rates to watch" };
  }
  const { baseline } = journal;
  const unanswered = run.watch.unanswered(baseline);
  if (unanswered.length > 0) {
    run.note(`did not answer before the rotation, so that it was not watched: ${unanswered.join(", ")}`);
    if (Object.keys(baseline).length === 0) {
      run.change({ notWatched: true });
      return { to: next, text: "error rates were not watched: nothing that counts errors answered before" };
    }
  }
  const end = new Date(Date.parse(journal.since) + model.rotation.watch * 1000);
  const every = Math.min(10_000, Math.max(200, model.rotation.watch * 50));
  for (;;) {
    const raised = await raisedErrors(run);
    if (raised !== undefined) return raised;
    const left = end.getTime() - clock.now().getTime();
    if (left <= 0) return { to: next, text: "error rates stayed as they were" };
    // What passes in a moment is waited for by everybody.
    if (!run.waits && left > run.patience.pickUp)
      return {
        wait: `error rates are watched until ${end.toISOString()}`,
        until: end,
        waitsFor: "time",
      };
    await clock.sleep(Math.min(every, left), signal);
    if (run.isShort) return watch(run);
  }
}

/**
 * Rolls back where errors have risen since the baseline, or where what counted them is silent for as long as a consumer has to
 * start; not on the short path, which has none. While the old value drains silence is waited for: a host may start again.
 * @throws TargetUnavailableError where errors cannot be counted from here any more
 */
export async function raisedErrors(run: Run): Promise<Turn | undefined> {
  const { watch: source, signal, clock, patience } = run;
  const { baseline, switchedAt, since } = run.journal;
  if (source === undefined || baseline === undefined) return undefined;
  const end = clock.now().getTime() + patience.pickUp;
  for (let pause = patience.poll.first; !run.isShort; pause = Math.min(pause * 2, patience.poll.longest)) {
    const verdict = await run.act(() => source.judge(baseline, new Date(switchedAt ?? since), clock, signal));
    if (verdict.state === "ok") return undefined;
    const names = verdict.names.join("; ");
    if (verdict.state === "raised") return backwards(`errors rose: ${names}`);
    const failure = `answered before the new value and does not any more: ${names}`;
    if (run.journal.state === "drain") throw new TargetUnavailableError(failure);
    if (clock.now().getTime() >= end) return backwards(failure);
    await clock.sleep(pause, signal);
  }
  return undefined;
}

/** The same where nothing is at stake yet: what cannot be asked now is asked at the next look. */
export async function raisedSoFar(run: Run): Promise<Turn | undefined> {
  try {
    return await raisedErrors(run);
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof TargetUnavailableError) return undefined;
    throw error;
  }
}

/** Whether errors were counted before, so that there is something to compare with. */
export function isWatched({ watch: source, journal: { baseline = {} }, isShort }: Run): boolean {
  return source !== undefined && Object.keys(baseline).length > 0 && !isShort;
}

/**
 * Until a time as long as the baseline's has passed since one: in all the time before, a raise of now may be lost.
 * @returns whether somebody asked for haste or for an end meanwhile
 */
export async function untilWindow(run: Run, from: Date): Promise<boolean> {
  const { clock, signal, model, lease, journal } = run;
  const end = from.getTime() + windowOf(model.rotation) * 1000;
  for (let left = end - clock.now().getTime(); left > 0; left = end - clock.now().getTime()) {
    await clock.sleep(Math.min(left, 5000), signal);
    await lease.ready();
    if (wasAsked(journal, run.journal)) return true;
  }
  return false;
}

function backwards(failure: string): Turn {
  return { to: "rolling-back", changes: { failure }, text: failure };
}
