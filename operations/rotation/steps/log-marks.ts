import type { Consumer } from "../../../model/model.ts";
import type { LogMark } from "../../delivery/log-mark.ts";
import { hasArrived } from "../../values/deliver.ts";
import type { Wanted } from "../../values/phases.ts";
import type { Run } from "../run.ts";

/**
 * Notes how far the logs of those who read Vault themselves are, before their paths are written: no file on their host could
 * say it. Where this machine does not see the log, an earlier mark is not of what they now get.
 */
export async function markLogs(run: Run, reached: { consumer: Consumer; wanted: Wanted }[]): Promise<void> {
  const marks = { ...run.journal.logMarks };
  let isChanged = false;
  for (const { consumer, wanted } of reached) {
    const { id } = consumer;
    const end = run.logEnd?.(consumer);
    if (end === undefined && marks[id] === undefined) continue;
    if ((await hasArrived(run.writer, run.secret, consumer, wanted)).arrived) continue;
    delete marks[id];
    if (end !== undefined) marks[id] = { ...(await end), host: run.host };
    isChanged = true;
  }
  if (!isChanged) return;
  await run.lease.save({ logMarks: Object.keys(marks).length > 0 ? marks : undefined });
}

/** How far a consumer's log on this host was before its path was written. */
export function logMark({ journal, host }: Run, { id }: Consumer): LogMark | undefined {
  const mark = journal.logMarks?.[id];
  return mark?.host === host ? mark : undefined;
}

/** Its path holds the same as before: nothing new is said of it. */
export function unmarkLog(run: Run, { id }: Consumer): void {
  const { [id]: mark, ...others } = run.journal.logMarks ?? {};
  if (mark !== undefined) run.change({ logMarks: others });
}
