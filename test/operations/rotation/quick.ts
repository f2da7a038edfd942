import type { RotateOptions } from "../../../operations/rotation/engine.ts";

/** Quick for tests: nothing here takes its time. */
export const quick: Pick<RotateOptions, "backoff" | "patience"> = {
  backoff: { first: 20, longest: 200, tries: 5 },
  patience: { pickUp: 800, probe: 400, poll: { first: 5, longest: 50 }, again: 100 },
};
