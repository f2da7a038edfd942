import type { Secret, SecretKind } from "../../../model/model.ts";
import type { Rotator } from "../rotator.ts";
import type { Hand } from "./by-hand.ts";

/** Each kind's rotator, loaded when it is used: what a run does not rotate it does not load. */
const ofKind: Record<SecretKind, () => Promise<Rotator>> = {
  "api-key": async () => (await import("./provider.ts")).provider,
  webhook: async () => (await import("./provider.ts")).provider,
  file: async () => (await import("./by-hand.ts")).byHand(),
  certificate: async () => (await import("./by-hand.ts")).byHand(),
  nats: async () => (await import("./nats.ts")).nats,
  hmac: async () => (await import("./hmac.ts")).hmac,
  jwt: async () => (await import("./jwt.ts")).jwt,
  token: async () => (await import("./token.ts")).token,
  password: async () => (await import("./password.ts")).password,
  fernet: async () => (await import("./fernet.ts")).fernet,
  "postgres-password": async () => (await import("./postgres.ts")).postgres,
  // A store's root user is read at its start, like any password; access keys are their provider's.
  s3: async () => (await import("./password.ts")).password,
};

/**
 * What rotates a secret: a person, its provider's API, or its kind's own rotator.
 * @param hand what a person brings, where a person rotates it
 */
export async function rotatorOf(secret: Secret, hand: Hand = {}): Promise<Rotator> {
  if (secret.rotate.by === "hand") return (await import("./by-hand.ts")).byHand(hand);
  if (secret.provider?.api === true && secret.provider.adapter === "slack")
    return (await import("./slack.ts")).slack;
  if (secret.kind === "s3" && secret.provider?.api === true) return (await import("./s3.ts")).s3;
  return ofKind[secret.kind]();
}
