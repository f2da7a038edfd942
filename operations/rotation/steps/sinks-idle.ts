import { keptId } from "../../../model/kept-names.ts";
import { hasArrived } from "../../values/deliver.ts";
import type { Idleness } from "../rotator.ts";
import type { Run } from "../run.ts";

/**
 * Whether every consumer is seen, by each of its sinks, to run the new value (`idle: sinks`). Who holds a copy that no
 * sink knows is not seen by this.
 */
export async function sinksIdle(run: Run): Promise<Idleness> {
  const { to = 0 } = run.journal;
  const by: string[] = [];
  const unseen: string[] = [];
  const seen: string[] = [];
  for (const consumer of run.secret.consumers) {
    const { id, kind } = consumer;
    // Who drains has waited for jobs that began before the switch.
    if (kind === "ci") continue;
    const { version } = await hasArrived(run.writer, run.secret, consumer, { source: to, phase: "next" });
    const sinks = run.sinks(consumer);
    if (sinks.length === 0) unseen.push(`${id} (reads Vault itself)`);
    for (const sink of sinks) {
      const running = await run.act(() => sink.running(keptId(run.secret), version));
      if (running.state === "runs") seen.push(`${id}, ${sink.name}: ${running.how}`);
      else if (running.state === "behind") by.push(`${id} (${sink.name}: ${running.why})`);
      else unseen.push(`${id} (${sink.name}: ${running.why})`);
    }
  }
  const evidence = `its consumers' sinks: ${seen.join("; ")}`;
  if (by.length > 0) return { state: "in use", by, evidence };
  if (unseen.length === 0) return { state: "idle", evidence };
  return {
    state: "unknown",
    why: `it cannot be seen what these run: ${unseen.join(", ")}; name another idle source (audit, a metric, or none)`,
  };
}
