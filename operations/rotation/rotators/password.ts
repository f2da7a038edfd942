import type { Rotator } from "../rotator.ts";
import { make, nothing, probe, refused } from "./two-values.ts";

/**
 * A password of something that has no API to change it: it is read at every start, so that restarting its consumers is
 * the change, and their probes say whether it worked. There is one value at a time.
 */
export const password: Rotator = {
  create: make,
  stage: nothing,
  probe,
  async idle() {
    return { state: "idle", evidence: "one value at a time: nothing accepts the old one beside the new one" };
  },
  revoke: nothing,
  verify: refused,
};
