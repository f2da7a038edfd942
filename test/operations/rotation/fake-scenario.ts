import { Vault } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import type { Scenario } from "./crash.ts";
import { fakeSubject } from "./fake.ts";

export interface FakeData {
  vault: { address: string; ca: string; token: string };
  model: Model;
  secret: Secret;
  /** Of the world. */
  address: string;
}

/** A secret of a world, whose server is in the test's own process and outlives the runner. */
const scenario: Scenario<FakeData> = {
  async open({ vault: options, model, secret, address }) {
    const vault = new Vault(options);
    return { subject: fakeSubject(vault, { model, secret, address }), close: () => vault.close() };
  },
};
export default scenario;
