import { keptId } from "../../../model/kept-names.ts";
import type { Consumer } from "../../../model/model.ts";
import type { Running, Sink } from "../../delivery/sink.ts";
import type { Run } from "../run.ts";

/** Notes who runs before anything is changed: whoever does not run any more with the new value is not merely late. */
export async function noteRunning(run: Run, consumer: Consumer): Promise<void> {
  for (const sink of run.sinks(consumer)) {
    // Any version at all.
    const seen = await run.act(() => sink.running(keptId(run.secret), 1));
    if (isUp(seen)) noteSeen(run, consumer, sink);
  }
}

export function isUp(seen: Running): boolean {
  return seen.state === "runs" || (seen.state === "behind" && seen.isDown === false);
}

export function isDown(seen: Running): boolean {
  return seen.state === "behind" && seen.isDown === true;
}

/**
 * Whether it could be seen from this host before and cannot now: its supervisor has ended, or its platform does not answer.
 * Another host may never have been able to.
 */
export function isLost(run: Run, consumer: Consumer, sink: Sink, seen: Running): boolean {
  if (seen.state !== "unobservable" || seen.mayBeSeen !== true) return false;
  return hostsThatSaw(run, consumer, sink).includes(run.host);
}

export function wasSeen(run: Run, consumer: Consumer, sink: Sink): boolean {
  return hostsThatSaw(run, consumer, sink).length > 0;
}

function hostsThatSaw({ journal }: Run, { id }: Consumer, { name }: Sink): string[] {
  return journal.seenOn?.[`${id} ${name}`] ?? [];
}

export function noteSeen(run: Run, consumer: Consumer, sink: Sink): void {
  const hosts = hostsThatSaw(run, consumer, sink);
  if (hosts.includes(run.host)) return;
  const seenOn = { ...run.journal.seenOn, [`${consumer.id} ${sink.name}`]: [...hosts, run.host] };
  run.change({ seenOn });
}
