import { Vault, type VaultOptions } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import type { Rotator } from "../../../operations/rotation/rotator.ts";
import { byHand } from "../../../operations/rotation/rotators/by-hand.ts";
import { rotatorOf } from "../../../operations/rotation/rotators/index.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import type { Scenario } from "./crash.ts";
import { forget } from "./value-server.ts";

export interface OwnData {
  vault: VaultOptions;
  model: Model;
  secret: Secret;
  /** PEM of the CA of Postgres. */
  ca: string;
  /** What a person gives, who also revokes the old value. */
  given?: Fields;
  /** Where that value is made and revoked. */
  provider?: string;
}

/** A person revokes at the provider what is to be revoked, and has said so. */
function confirmed(rotator: Rotator, provider: string): Rotator {
  const said = { confirmedBy: "ada" };
  return {
    ...rotator,
    idle: (context, ...fields) => rotator.idle({ ...context, ...said }, ...fields),
    async revoke(context, old, kept) {
      await forget(provider, old);
      await rotator.revoke({ ...context, ...said }, old, kept);
    },
    verify: (context, ...fields) => rotator.verify({ ...context, ...said }, ...fields),
  };
}

/** A secret whose consumers read Vault themselves; what it protects lies in a real Postgres. */
const scenario: Scenario<OwnData> = {
  async open({ vault: options, model, secret, ca, given, provider = "" }) {
    const vault = new Vault(options);
    const reach = { ...databaseReach({ vault, model, ca }), fetch };
    const rotator = given ? confirmed(byHand({ given }), provider) : await rotatorOf(secret);
    const subject = { vault, model, secret, rotator, reach, sinks: () => [], probes: () => [] };
    return { subject, close: () => vault.close() };
  },
};
export default scenario;
