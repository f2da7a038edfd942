import { type RequestOptions, Vault, type VaultResponse } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import { postgres } from "../../../operations/rotation/rotators/postgres.ts";
import type { Scenario } from "./crash.ts";

export interface PostgresData {
  vault: { address: string; ca: string; token: string };
  model: Model;
  secret: Secret;
}

/** A database user whose consumers read Vault; what Vault is asked for logins counts as well. */
const scenario: Scenario<PostgresData> = {
  async open({ vault: options, model, secret }, count) {
    const vault = new Vault(options);
    const asked = vault.with(vault.token);
    asked.request = <T>(method: string, path: string, more?: RequestOptions): Promise<VaultResponse<T>> =>
      count(`vault ${method} ${path}`, () => vault.request<T>(method, path, more));
    const reach = { ...databaseReach({ vault: asked, model }), fetch };
    const subject = { vault, model, secret, rotator: postgres, reach, sinks: () => [], probes: () => [] };
    return { subject, close: () => vault.close() };
  },
};
export default scenario;
