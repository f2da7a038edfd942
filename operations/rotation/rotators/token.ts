import type { Rotator } from "../rotator.ts";
import { idle, make, nothing, probe, refused } from "./two-values.ts";

/** A token that our services show to each other (R18, R66): listeners accept the new one and the one before. */
export const token: Rotator = {
  create: make,
  stage: nothing,
  probe,
  idle,
  revoke: nothing,
  verify: refused,
};
