import type { Rotator } from "../rotator.ts";
import { make, nothing, probe, refused } from "./two-values.ts";

/**
 * A password of something that has no API to change it: whatever checks it is a listener among its consumers, which reads
 * it at its start, so that its restart is the change; its clients follow at once, and their probes say whether it worked.
 * There is one value at a time.
 */
export const password: Rotator = {
  create: make,
  stage: nothing,
  replaces: (_, current) => current !== undefined,
  probe,
  async idle() {
    return { state: "idle", evidence: "one value at a time: nothing accepts the old one beside the new one" };
  },
  revoke: nothing,
  verify: refused,
};
