import type { Seconds } from "../../../model/duration.ts";
import type { Fields } from "../../values/shape.ts";
import { migrateAll } from "../migration.ts";
import { drainOf, jobsOf } from "../overlap.ts";
import type { Idleness } from "../rotator.ts";
import type { Run, Turn } from "../run.ts";
import { after } from "../schedule.ts";
import { again, noteGone, passes } from "./consumer.ts";
import { confirmSwitched } from "./deliver.ts";
import { idlenessOf } from "./left-in-use.ts";
import { backToOld, letIn } from "./let-in.ts";
import { sinksIdle } from "./sinks-idle.ts";
import { isWatched, raisedErrors, raisedSoFar, untilWindow } from "./watch.ts";

/** What the rotator must do before the old value may go: re-encryption, in pieces. */
export async function migrate(run: Run): Promise<Turn> {
  const { migrate } = run.rotator;
  const { current, next } = await run.versions();
  if (migrate === undefined || current === undefined) return { to: "drain", text: "nothing to migrate" };
  const left = await migrateAll(
    () => run.act(() => migrate(run.context, next, current)),
    (rest) => run.say(`${rest} still to be looked at`),
  );
  if (left === 0) return { to: "drain", text: "nothing is left under the old value" };
  return { wait: `${left} left under the old value, and they do not get fewer`, until: again(run) };
}

/** Seconds after which error rates are looked at again meanwhile, by whoever runs then: `rotate --due`, every quarter of an hour. */
const looks: Seconds = 10 * 60;

/**
 * The overlap has passed, jobs that began before the switch are over, everybody runs the new value, and the old one is seen to be unused. Error rates that rise until then
 * still roll back, and are looked at once more directly before there is no way back (R48).
 */
export async function drain(run: Run): Promise<Turn> {
  const { journal, clock, secret } = run;
  const switched = Date.parse(journal.switchedAt ?? journal.since);
  const overlapped = new Date(switched + secret.rotate.overlap * 1000);
  const end = new Date(switched + drainOf(secret) * 1000);
  const jobs = overlapped < end ? jobsOf(secret).join(", ") : "";
  if (run.isShort) {
    if (clock.now() < overlapped) run.skip(`the overlap of ${secret.rotate.overlap} s was cut short`);
    if (jobs !== "" && clock.now() < end) {
      run.skip(`${jobs} was not waited for: a job that began before the switch is refused now`);
    }
    const turn = await letInAndSwitched(run);
    if (turn === "neither") return revokesBoth;
    if (turn !== undefined) return turn;
    run.skip("the old value was not waited for to be unused: whoever still uses it is refused now");
    noteGone(run, "was not waited for to run the new value");
    return { to: "revoke", text: "the short path does not wait until the old value is unused" };
  }
  const raised = await raisedSoFar(run);
  if (raised !== undefined) return raised;
  const why = jobs === "" ? "" : `${jobs} may have begun before the switch: `;
  const wait = `${why}both values are accepted until ${end.toISOString()}`;
  if ((await passes(run, end, wait)) !== undefined) {
    const look = after(clock.now(), looks);
    return { wait, until: isWatched(run) && look < end ? look : end, waitsFor: "time" };
  }
  const lags = await letInAndSwitched(run);
  const { current, next } = await run.versions();
  if (lags === "neither") return (await usedAllTheSame(run, current, next)) ?? revokesBoth;
  if (lags !== undefined) return lags;
  if (current === undefined) return { to: "done", text: "there is no old value" };
  const from = clock.now();
  const before = await raisedErrors(run);
  if (before !== undefined) return before;
  const idleness = await run.act(() => run.rotator.idle(run.context, current, next));
  const isLeftToSinks = idleness.state === "unknown" && run.secret.idle?.source === "sinks";
  const turn = judged(run, isLeftToSinks ? await sinksIdle(run) : idleness);
  if (!("to" in turn) || !isWatched(run)) return turn;
  if (await untilWindow(run, from))
    return { wait: "somebody has asked for something else", until: clock.now() };
  return (await raisedErrors(run)) ?? turn;
}

const revokesBoth: Turn = { to: "revoke", text: "its target refuses both values" };

/** Everybody runs the new value and its target lets it in; asked first, since what is refused may let nobody start. */
async function letInAndSwitched(run: Run): Promise<Turn | "neither" | undefined> {
  const { current, next } = await run.versions();
  const found = current === undefined ? "kept" : await letIn(run, current, next);
  if (found === "kept") return confirmSwitched(run);
  noteGone(run, "was not waited for to run the new value");
  return found === "old" ? backToOld(run) : "neither";
}

/** A value that lets nobody in any more may have sessions of before: ending them takes from somebody what works. */
async function usedAllTheSame(
  run: Run,
  current: Fields | undefined,
  next: Fields,
): Promise<Turn | undefined> {
  if (current === undefined) return undefined;
  const idleness = await idlenessOf(run, current, next);
  return idleness.state === "in use" ? judged(run, idleness) : undefined;
}

function judged(run: Run, idleness: Idleness): Turn {
  const { secret } = run;
  noteGone(run, "was not waited for to run the new value");
  switch (idleness.state) {
    case "idle":
      return { to: "revoke", text: `the old value is unused: ${idleness.evidence}` };
    case "in use": {
      const who = idleness.by.length > 0 ? idleness.by.join(", ") : "somebody";
      return { wait: `${who} still use(s) the old value: ${idleness.evidence}`, until: again(run) };
    }
    case "unknown":
      if (secret.idle?.source === "none") {
        run.note(`whether the old value was unused is not seen (idle: none, ${secret.owner})`);
        return {
          to: "revoke",
          text: "whether the old value is unused cannot be seen, as the catalogue says",
        };
      }
      return {
        wait: `whether the old value is unused is not known: ${idleness.why}`,
        until: again(run),
        isStuck: true,
      };
  }
}
