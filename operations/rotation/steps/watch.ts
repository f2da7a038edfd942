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
  const since = new Date(journal.switchedAt ?? journal.since);
  const end = new Date(Date.parse(journal.since) + model.rotation.watch * 1000);
  const every = Math.min(10_000, Math.max(200, model.rotation.watch * 50));
  const { baseline } = journal;
  const source = run.watch;
  for (;;) {
    const verdict = await run.act(() => source.judge(baseline, since, signal));
    if (verdict.state === "raised") {
      const failure = `errors rose after the switch: ${verdict.names.join("; ")}`;
      return { to: "rolling-back", changes: { failure }, text: failure };
    }
    const left = end.getTime() - clock.now().getTime();
    if (left <= 0) return { to: next, text: "error rates stayed as they were" };
    // What passes in a moment is waited for by everybody.
    if (!run.waits && left > run.patience.pickUp)
      return { wait: `error rates are watched until ${end.toISOString()}`, until: end };
    await clock.sleep(Math.min(every, left), signal);
  }
}
