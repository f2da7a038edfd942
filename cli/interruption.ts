import type { Writable } from "node:stream";

/** 128 + SIGINT, as shells expect. */
const interruptedCode = 130;

/**
 * Turns Ctrl-C and SIGTERM into an AbortSignal. A command that watches it stops between two steps and can be
 * run again; a second Ctrl-C, or the first for a command that does not watch, ends the process at once.
 */
export function interruption(watched: boolean, stderr: Writable): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (!watched || controller.signal.aborted) process.exit(interruptedCode);
    stderr.write("\nStopping after this step; Ctrl-C again stops at once.\n");
    controller.abort(new DOMException("Interrupted: run the same command again to carry on.", "AbortError"));
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    end: () => void process.off("SIGINT", onSignal).off("SIGTERM", onSignal),
  };
}
