import type { Seconds } from "./duration.ts";
import type { SecretKind } from "./model.ts";

const hour = 3600;
const day = 86_400;

/** What a kind of secret is made of and held to. The bounds are the requirements' own. */
export interface Kind {
  fields: readonly string[];
  /** Whether the catalogue may name other fields. */
  otherFields: boolean;
  /** Absent where only its provider or a person can make one. */
  generator?: { bytes: number; encoding: "hex" | "base64" | "base64url" | "fernet" };
  /** Longest period, and who says so. */
  atMost: { every: Seconds; source: string };
  /**
   * How long the old value stays accepted. `least` makes the catalogue say it, because both values are live
   * at once (R27); `usual` is taken where it does not.
   */
  overlap: { least: Seconds; source: string } | { usual: Seconds };
  /** Whether consumers must say whether they sign or listen (R29). */
  roles: boolean;
  /** Whether the catalogue must say what a rotation does to people (R49). */
  impact: boolean;
}

const plain = { roles: false, impact: false, otherFields: false };
const yearly = { every: 365 * day, source: "R20" };

export const kinds: Record<SecretKind, Kind> = {
  hmac: {
    ...plain,
    fields: ["primary", "secondary", "key-id"],
    generator: { bytes: 32, encoding: "hex" },
    atMost: yearly,
    overlap: { least: hour, source: "R27" },
    roles: true,
  },
  "api-key": { ...plain, fields: ["key"], otherFields: true, atMost: yearly, overlap: { usual: hour } },
  token: {
    ...plain,
    fields: ["token", "previous"],
    generator: { bytes: 32, encoding: "base64url" },
    atMost: { every: 180 * day, source: "R18" },
    overlap: { usual: 0 },
  },
  password: {
    ...plain,
    fields: ["password"],
    generator: { bytes: 32, encoding: "base64url" },
    atMost: yearly,
    overlap: { usual: 0 },
  },
  "postgres-password": {
    ...plain,
    fields: ["user", "password"],
    generator: { bytes: 32, encoding: "base64url" },
    atMost: yearly,
    overlap: { usual: 0 },
  },
  nats: {
    ...plain,
    fields: ["user", "password"],
    generator: { bytes: 32, encoding: "base64url" },
    atMost: yearly,
    overlap: { usual: hour },
  },
  jwt: {
    ...plain,
    fields: ["key", "previous", "key-id", "jwks"],
    generator: { bytes: 32, encoding: "base64url" },
    atMost: yearly,
    overlap: { usual: 0 },
    impact: true,
  },
  fernet: {
    ...plain,
    fields: ["key", "previous"],
    generator: { bytes: 32, encoding: "fernet" },
    atMost: { every: 90 * day, source: "R17" },
    overlap: { least: 30 * day, source: "R22" },
  },
  s3: {
    ...plain,
    fields: ["user", "password"],
    generator: { bytes: 32, encoding: "base64url" },
    atMost: yearly,
    overlap: { usual: 0 },
  },
  webhook: {
    ...plain,
    fields: ["url"],
    otherFields: true,
    atMost: { every: 30 * day, source: "R16" },
    overlap: { usual: hour },
  },
  file: { ...plain, fields: ["content"], otherFields: true, atMost: yearly, overlap: { usual: 0 } },
  certificate: {
    ...plain,
    fields: ["certificate", "key"],
    otherFields: true,
    atMost: yearly,
    overlap: { usual: hour },
  },
};

/** Bounds of transit keys: auto-rotation (R17) and how long an old version is kept (R22). */
export const encryptionKeyBounds = { every: 90 * day, retain: 30 * day };

/** Lifetime of dynamic credentials (R12) and of a CI job's token. */
export const longestCredential: Seconds = hour;
