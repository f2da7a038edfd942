import { Vault, type VaultOptions } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import { rotatorOf } from "../../../operations/rotation/rotators/index.ts";
import type { Scenario } from "./crash.ts";

export interface OwnData {
  vault: VaultOptions;
  model: Model;
  secret: Secret;
  /** PEM of the CA of Postgres. */
  ca: string;
}

/** A secret whose consumers read Vault themselves; what it protects lies in a real Postgres. */
const scenario: Scenario<OwnData> = {
  async open({ vault: options, model, secret, ca }) {
    const vault = new Vault(options);
    const reach = { ...databaseReach({ vault, model, ca }), fetch };
    const rotator = await rotatorOf(secret);
    const subject = { vault, model, secret, rotator, reach, sinks: () => [], probes: () => [] };
    return { subject, close: () => vault.close() };
  },
};
export default scenario;
