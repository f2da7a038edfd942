import { checkSinks } from "../../delivery/check-sinks.ts";
import { DeliveryError, UnreachedError } from "../../delivery/sink.ts";
import { hasArrived } from "../../values/deliver.ts";
import { type Fields, pairNames } from "../../values/shape.ts";
import type { Watch } from "../observer.ts";
import { ProbeError, TargetUnavailableError } from "../rotator.ts";
import type { Run, Turn } from "../run.ts";
import { bringAll, confirmAll, probeAll, reachedAt, settled } from "./consumer.ts";
import { destroyOld } from "./destroy.ts";
import { noteRunning } from "./seen.ts";
import { raisedErrors } from "./watch.ts";

/** The target accepts the new value, and it works there, before any consumer sees it; everybody could be brought it. */
export async function stage(run: Run): Promise<Turn> {
  const { rotator, watch } = run;
  if (run.journal.to === undefined) throw new Error("nothing was generated to be staged");
  if (!run.isFirst && !run.isShort && watch !== undefined && run.journal.baseline === undefined) {
    run.change({ baseline: await baselineOf(run, watch) });
  }
  const { current, next } = await run.versions();
  if (!run.isFirst) await checkAll(run, current, next);
  if (rotator.replaces?.(next, current)) run.stop.hold();
  await run.act(() => rotator.stage(run.context, next, current));
  await run.act(() => rotator.probe(run.context, next, current));
  const to = isReached(run, "listeners") ? "deliver-listeners" : "deliver-signers";
  return { to, text: "the target accepts the new value, and it works" };
}

/** @throws DeliveryError, which names the consumer; ProbeError where a runner before has told the target already; UnreachedError */
async function checkAll(run: Run, current: Fields | undefined, next: Fields): Promise<void> {
  for (const consumer of run.secret.consumers) {
    try {
      await run.act(() => checkSinks(run, run.secret, consumer, run.sinks(consumer)));
      await noteRunning(run, consumer);
    } catch (error) {
      if (!(error instanceof DeliveryError) || error instanceof UnreachedError) throw error;
      const text = `${consumer.id}: ${error.message}`;
      if (await isReplaced(run, current, next))
        throw new ProbeError(`the new value alone is accepted, and cannot be brought to everybody: ${text}`);
      throw new DeliveryError(`nothing is changed: ${text}`, { cause: error });
    }
  }
}

/** Whether the target was told already, where the new value takes the place of the other one. */
async function isReplaced(run: Run, current: Fields | undefined, next: Fields): Promise<boolean> {
  const { accepts, replaces } = run.rotator;
  if (current === undefined || accepts === undefined || !replaces?.(next, current)) return false;
  const isAccepted = (version: Fields) => run.act(() => accepts(run.context, version));
  return !(await isAccepted(current)) && (await isAccepted(next));
}

/**
 * Error rates before anything is delivered. Where none of what counts errors answers it is waited for, like any target, unless
 * all of it are files of another machine; then the rotation goes on without, and says so.
 */
async function baselineOf(run: Run, watch: Watch): Promise<Record<string, number>> {
  try {
    return await run.act(() => watch.baseline(run.clock, run.signal));
  } catch (error) {
    const end = Date.parse(run.journal.since) + run.patience.pickUp;
    if (!(error instanceof TargetUnavailableError) || run.clock.now().getTime() < end) throw error;
    return {};
  }
}

export async function deliverListeners(run: Run): Promise<Turn> {
  const waits = (await holdBack(run)) ?? (await bringAll(run, reached(run, "listeners")));
  return waits ?? { to: "observe-listeners", text: "whoever accepts it has the new value" };
}

export async function observeListeners(run: Run): Promise<Turn> {
  const waits = (await holdBack(run)) ?? (await observe(run, "listeners"));
  return waits ?? { to: "deliver-signers", text: "whoever accepts it runs the new value" };
}

/**
 * Who signs by this run's catalogue, and only accepted by that of a run before, holds the new value while others may not
 * accept it yet: it signs with the one in force again (R29).
 */
async function holdBack(run: Run): Promise<Turn | undefined> {
  const { journal, secret, writer, isFirst } = run;
  const { attempt, from, to = 0 } = journal;
  // A catalogue that has changed comes with another run.
  if (attempt === 1 || isFirst || pairNames(secret) === undefined) return undefined;
  const ahead: Parameters<typeof bringAll>[1] = [];
  for (const consumer of secret.consumers) {
    if (consumer.role === "listener") continue;
    const { arrived } = await hasArrived(writer, secret, consumer, { source: to, phase: "next" });
    const wanted =
      consumer.role === "signer"
        ? { source: from, phase: "back" as const }
        : { source: to, phase: "both" as const };
    if (arrived) ahead.push({ consumer, wanted });
  }
  return ahead.length === 0 ? undefined : bringAll(run, ahead);
}

export async function deliverSigners(run: Run): Promise<Turn> {
  const waits = await bringAll(run, reached(run, "signers"));
  return waits ?? { to: "observe-signers", text: "every consumer has the new value" };
}

export async function observeSigners(run: Run): Promise<Turn> {
  const waits = await observe(run, "signers");
  if (waits !== undefined) return waits;
  const changes = { switchedAt: run.journal.switchedAt ?? run.clock.now().toISOString() };
  const text = "every consumer runs the new value";
  if (!run.isFirst) return { to: "watch", changes, text };
  // A crash between a path's value and its record has left the value there twice.
  await destroyOld(run, run.journal.to ?? 0);
  return { to: "done", changes, text };
}

/** Everybody has the new version and runs it: looked at again before anything that cannot be taken back. */
export async function confirmSwitched(run: Run): Promise<Turn | undefined> {
  return confirmAll(run, reached(run, "signers"));
}

async function observe(run: Run, moment: "listeners" | "signers"): Promise<Turn | undefined> {
  const consumers = reached(run, moment);
  const waits = (await confirmAll(run, consumers)) ?? (await settled(run));
  if (waits !== undefined) return waits;
  const probed = consumers.map(({ consumer }) => consumer);
  await probeAll(run, probed);
  return raisedErrors(run);
}

function reached(run: Run, moment: "listeners" | "signers") {
  const { to = 0 } = run.journal;
  return reachedAt(run, moment, () => to);
}

function isReached(run: Run, moment: "listeners" | "signers"): boolean {
  return reached(run, moment).length > 0;
}
