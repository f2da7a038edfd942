import type { Writable } from "node:stream";

/** 128 + SIGINT, as shells expect. */
const interruptedCode = 130;

/** Milliseconds in which a signal is the first one again: npm, `timeout` and setup.mjs hand on what a group got as well. */
const echo = 300;

/**
 * Turns Ctrl-C, SIGTERM and the end of the terminal into an AbortSignal. A command that watches it stops between two
 * steps and can be run again; a second Ctrl-C, or the first for a command that does not watch, ends the process at once.
 */
export function interruption(watched: boolean, stderr: Writable): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  let first = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    if (!watched) process.exit(interruptedCode);
    if (controller.signal.aborted) {
      if (Date.now() - first > echo) process.exit(interruptedCode);
      return;
    }
    first = Date.now();
    // Nobody reads any more, and what is written there fails.
    if (signal === "SIGHUP") for (const stream of [process.stdout, stderr]) stream.on("error", () => {});
    stderr.write("\nStopping after this step; Ctrl-C again stops at once.\n");
    controller.abort(new DOMException("Interrupted: run the same command again to carry on.", "AbortError"));
  };
  const signals: NodeJS.Signals[] = watched ? ["SIGINT", "SIGTERM", "SIGHUP"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    end: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
