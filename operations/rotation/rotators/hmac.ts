import { createHmac, timingSafeEqual } from "node:crypto";
import type { Fields } from "../../values/shape.ts";
import { ProbeError, type Rotator } from "../rotator.ts";
import { idle, make, nothing, probe, refused } from "./two-values.ts";

/**
 * A key that one service signs with and others verify by: listeners get the new key as `primary` with the one in force as
 * `secondary`, then the signer (R28, R29); after the overlap the secondary goes (R30).
 */
export const hmac: Rotator = {
  create: make,
  stage: nothing,
  async probe(context, next, current) {
    await probe(context, next, current);
    const message = "keyplane";
    if (!accepts(next, sign(next.primary, message), message)) {
      throw new ProbeError(`${context.secret.id}: a listener would refuse what the new key signed`);
    }
    if (current !== undefined && !accepts(next, sign(current.primary, message), message)) {
      throw new ProbeError(`${context.secret.id}: a listener would refuse what the key in force signed`);
    }
    if (current?.["key-id"] === next["key-id"] && current?.primary !== next.primary) {
      throw new ProbeError(`${context.secret.id}: two keys have one key id`);
    }
  },
  idle,
  revoke: nothing,
  verify: refused,
};

function accepts(fields: Fields, signature: Buffer, message: string): boolean {
  return [fields.primary, fields.secondary].some(
    (key) => key !== undefined && timingSafeEqual(sign(key, message), signature),
  );
}

function sign(key: string | undefined, message: string): Buffer {
  return createHmac("sha256", key ?? "")
    .update(message)
    .digest();
}
