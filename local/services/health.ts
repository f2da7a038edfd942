import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { PortTakenError, ServiceError } from "./errors.ts";
import { isAlive, type ProcessName, type ServiceProcess } from "./process-table.ts";

/**
 * Waits until a started service answers. `probe` returns undefined when it does, else what is wrong.
 * @throws ServiceError when the process ends (PortTakenError where that is why) or does not answer in `patience`
 * milliseconds; the message has the last lines that it logged since `logStart` (a byte offset) and what to do.
 */
export async function waitUntilHealthy({
  name,
  process,
  logStart,
  probe,
  patience = 60_000,
}: {
  name: ProcessName;
  process: ServiceProcess;
  logStart: number;
  probe: () => Promise<string | undefined>;
  patience?: number;
}): Promise<void> {
  const deadline = Date.now() + patience;
  for (;;) {
    const problem = await probe();
    if (problem === undefined) return;
    if (!(await isAlive(process))) {
      const lines = await lastLines(process.log, logStart);
      const Failure = portTaken.test(lines.join("\n")) ? PortTakenError : ServiceError;
      throw new Failure(
        `${name} ended as soon as it was started. ${adviceFor(lines)}\n${quote(process.log, lines)}`,
      );
    }
    if (Date.now() > deadline) {
      const lines = await lastLines(process.log, logStart);
      throw new ServiceError(
        `${name} (pid ${process.pid}) does not answer after ${Math.round(patience / 1000)} s: ${problem}. ` +
          `${adviceFor(lines)}\n${quote(process.log, lines)}`,
      );
    }
    await sleep(50);
  }
}

/** As Go, Postgres and Node say it, and as the AWS emulator does. */
const portTaken = /(address|:\d+ is) already in use/i;

/** What to do about a service that would not start, from what it logged. */
export function adviceFor(lines: string[]): string {
  const text = lines.join("\n");
  const known: [RegExp, string][] = [
    [
      portTaken,
      "Its port was taken by another process just now. Run `keyplane up` again: it will use another port.",
    ],
    [/no space left on device/i, "The disk is full. Free some space, then run `keyplane up` again."],
    [
      /permission denied|operation not permitted/i,
      "It may not read or write a file that it needs. Give the state folder back to the user who runs keyplane.",
    ],
    [
      /cannot open shared object|no such file or directory|cannot find module/i,
      "A file that it needs is missing. Install again with `npm ci`, then run `keyplane up`.",
    ],
    [
      /too many open files/i,
      "Too many files are open. Raise the limit (`ulimit -n 4096`), then run `keyplane up` again.",
    ],
  ];
  for (const [pattern, advice] of known) if (pattern.test(text)) return advice;
  return "Its log says why. `keyplane down` then `keyplane up` tries again; `keyplane down --delete` starts afresh.";
}

/** The last lines of a file that were written after a byte offset. */
export async function lastLines(path: string, from: number, count = 12): Promise<string[]> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const start = Math.max(from > size ? 0 : from, size - 16_384);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
      const text = buffer.toString("utf8", 0, bytesRead);
      return text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .slice(-count);
    } finally {
      await file.close();
    }
  } catch {
    return [];
  }
}

function quote(log: string, lines: string[]): string {
  return lines.length === 0
    ? `It logged nothing to ${log}.`
    : `The last lines of ${log}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
