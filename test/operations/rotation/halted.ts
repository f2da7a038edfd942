import type { Rotator, RotatorContext } from "../../../operations/rotation/rotator.ts";
import type { Subject } from "../../../operations/rotation/run.ts";
import type { Demo } from "./bench.ts";

export interface Halted {
  subject: Subject;
  /** With the signal that the rotator got. */
  reached: Promise<AbortSignal>;
  go(): void;
}

/** A subject whose target keeps a rotation at the given function until it is let go. */
export function halted(
  t: { after(end: () => void): void },
  demo: Demo,
  at: "idle" | "stage" | "verify",
): Halted {
  let arrived = (_: AbortSignal) => {};
  let go = () => {};
  const reached = new Promise<AbortSignal>((resolve) => {
    arrived = resolve;
  });
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  // A test that fails meanwhile leaves nobody waiting.
  t.after(() => go());
  const { rotator } = demo.subject;
  const stop = async ({ signal }: RotatorContext) => {
    arrived(signal);
    await gate;
  };
  const halting: Pick<Rotator, typeof at> = {
    stage: async (...given) => stop(given[0]).then(() => rotator.stage(...given)),
    idle: async (...given) => stop(given[0]).then(() => rotator.idle(...given)),
    verify: async (...given) => stop(given[0]).then(() => rotator.verify(...given)),
  };
  return {
    subject: { ...demo.subject, rotator: { ...rotator, [at]: halting[at] } },
    reached,
    go: () => go(),
  };
}
