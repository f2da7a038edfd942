import type { RotateOptions } from "../../../operations/rotation/engine.ts";

/** Quick for tests: nothing here takes its time. */
export const quick: Pick<RotateOptions, "backoff" | "patience"> = {
  backoff: { first: 20, longest: 200, tries: 5 },
  patience: { pickUp: 800, probe: 400, poll: { first: 5, longest: 50 }, again: 100 },
};

/** Seconds. */
export const day = 86_400;

/** The other way round: both values are accepted for a day. */
export const slow = { rotate: { by: "machine", overlap: day, onCompromise: true } } as const;
