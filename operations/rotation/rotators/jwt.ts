import { createPrivateKey, createSecretKey, type KeyObject } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import type { Secret } from "../../../model/model.ts";
import { algorithmOf, keyOf } from "../../values/jwks.ts";
import type { Fields } from "../../values/shape.ts";
import { ProbeError, type Rotator } from "../rotator.ts";
import { idle, make, nothing, probe, refused } from "./two-values.ts";

/**
 * A key that signs JWTs, HS256 or ES256 by its form. Verifiers take `jwks`, in which both keys have their `kid`; whoever
 * takes only `key` refuses every token that was signed before (R49).
 */
export const jwt: Rotator = {
  create: make,
  stage: nothing,
  async probe(context, next, current) {
    await probe(context, next, current);
    const id = context.secret.id;
    if (!(await verifies(next, next))) {
      throw new ProbeError(`${id}: the new key set does not verify what the new key signs`);
    }
    if (current?.["key-id"] !== undefined && !(await verifies(next, current))) {
      throw new ProbeError(`${id}: the new key set does not verify what the key in force signs`);
    }
  },
  idle,
  revoke: nothing,
  verify: refused,
};

/**
 * Consumers that check tokens with one key alone: at the moment they get the new one, every token of the old one is
 * refused, whatever the overlap. Ids, ordered.
 */
export function endingSessions(secret: Pick<Secret, "kind" | "consumers">): string[] {
  if (secret.kind !== "jwt") return [];
  return secret.consumers
    .filter(({ kind, role, as }) => {
      const fields = Object.values(as);
      return (
        kind === "service" && role !== "signer" && !fields.includes("previous") && !fields.includes("jwks")
      );
    })
    .map(({ id }) => id)
    .sort();
}

/** Whether a key set accepts a token that a version's key signs under its key id. */
async function verifies({ jwks }: Fields, { key, "key-id": kid }: Fields): Promise<boolean> {
  if (jwks === undefined || key === undefined || kid === undefined) return false;
  try {
    const token = await new SignJWT({ sub: "keyplane" })
      .setProtectedHeader({ alg: algorithmOf(key), kid })
      .setIssuedAt()
      .sign(signing(key));
    await jwtVerify(token, keyOf(jwks));
    return true;
  } catch {
    return false;
  }
}

function signing(key: string): KeyObject {
  return algorithmOf(key) === "ES256" ? createPrivateKey(key) : createSecretKey(Buffer.from(key));
}
