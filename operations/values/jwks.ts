import { createPrivateKey, createPublicKey } from "node:crypto";
import type { CryptoKey, JSONWebKeySet, JWTHeaderParameters } from "jose";

/** A key that signs JWTs, and the id that stands in their header. */
export interface SigningKey {
  id: string;
  /** A private key in PEM signs ES256; any other text is the shared key of HS256, taken as its UTF-8 bytes. */
  key: string;
}

/** Which algorithm a key signs with: the form of the key decides (RFC 7518, sections 3.2 and 3.4). */
export function algorithmOf(key: string): "ES256" | "HS256" {
  return key.startsWith("-----BEGIN ") ? "ES256" : "HS256";
}

/**
 * The JWK set (RFC 7517) by which verifiers accept each of the keys, as JSON. Of ES256 keys it holds public halves
 * alone; the keys of HS256 are their own verifiers, so that a set of them is as secret as they are.
 */
export function keySet(keys: SigningKey[]): string {
  return JSON.stringify({ keys: keys.map(jwk) });
}

/**
 * Finds a token's key in a set for jose's `jwtVerify`: by key id and algorithm, so that a public half is never taken for
 * a shared key. jose's own `createLocalJWKSet` takes no HS256.
 */
export function keyOf(set: string): (header: JWTHeaderParameters) => Promise<CryptoKey | Uint8Array> {
  const { keys } = JSON.parse(set) as JSONWebKeySet;
  return async ({ kid, alg }) => {
    const found = keys.find((key) => key.kid === kid && key.alg === alg);
    if (found === undefined)
      throw new Error("the set has no key with the id and the algorithm that the token names");
    const { importJWK } = await import("jose/key/import");
    return importJWK(found, alg);
  };
}

function jwk({ id, key }: SigningKey): Record<string, string> {
  if (algorithmOf(key) === "HS256") {
    return { kid: id, kty: "oct", use: "sig", alg: "HS256", k: Buffer.from(key).toString("base64url") };
  }
  const { kty, crv, x, y } = createPublicKey(createPrivateKey(key)).export({ format: "jwk" });
  if (kty !== "EC" || crv !== "P-256" || x === undefined || y === undefined) {
    throw new Error("a JWT signing key in PEM must be a private key on P-256: ES256 takes no other");
  }
  return { kid: id, kty, use: "sig", alg: "ES256", crv, x, y };
}
