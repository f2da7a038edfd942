import type { Run, Turn } from "../run.ts";

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
      return { wait: `error rates are watched until ${end.toISOString()}`, until: end };
    await clock.sleep(Math.min(every, left), signal);
    if (run.isShort) return watch(run);
  }
}

/** Rolls back where errors have risen since the baseline; not on the short path, which has none. */
export async function raisedErrors(run: Run): Promise<Turn | undefined> {
  const { watch: source, signal } = run;
  const { baseline, switchedAt, since } = run.journal;
  if (source === undefined || baseline === undefined || run.isShort) return undefined;
  const verdict = await run.act(() => source.judge(baseline, new Date(switchedAt ?? since), signal));
  if (verdict.state === "ok") return undefined;
  const failure = `errors rose: ${verdict.names.join("; ")}`;
  return { to: "rolling-back", changes: { failure }, text: failure };
}
