import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { Secret } from "../../model/model.ts";

export type Generator = Extract<Secret["generator"], { by: "machine" }>;

/**
 * A new random value from the operating system's generator (R65). `fernet` is 32 bytes in URL-safe base64 with
 * its padding, as https://github.com/fernet/spec demands; `base64url` has none. `es256` is a private key on P-256 in
 * PKCS #8 PEM (RFC 7518, section 3.4).
 */
export function generate({ bytes, encoding }: Generator): string {
  if (encoding === "es256") {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    return privateKey.export({ type: "pkcs8", format: "pem" }).toString().trim();
  }
  const random = randomBytes(encoding === "fernet" ? 32 : bytes);
  if (encoding === "fernet") return random.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
  return random.toString(encoding);
}

/** A name for a key that says nothing about it: the day it was made and eight random hex digits. */
export function keyId(today: Date): string {
  return `${today.toISOString().slice(0, 10)}-${randomBytes(4).toString("hex")}`;
}
