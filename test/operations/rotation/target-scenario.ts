import { Vault } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import type { Sink } from "../../../operations/delivery/sink.ts";
import type { Reach } from "../../../operations/rotation/rotator.ts";
import { rotatorOf } from "../../../operations/rotation/rotators/index.ts";
import { countNats } from "./counted-nats.ts";
import type { Scenario } from "./crash.ts";

export interface TargetData {
  vault: { address: string; ca: string; token: string };
  model: Model;
  secret: Secret;
}

/** A secret with its real rotator and target, whose servers outlive the runner; its consumers read Vault themselves. */
const scenario: Scenario<TargetData> = {
  async open({ vault: options, model, secret }, count) {
    const vault = new Vault(options);
    const rotator = await rotatorOf(secret);
    // What else acts on the world: a server's configuration file, the signal that makes it read that, and logins.
    using other = new DisposableStack();
    if (secret.nats !== undefined) countNats(other, secret.nats, count);
    const counted = other.move();
    const none = async (): Promise<never> => {
      throw new Error("there is no database");
    };
    const reach: Reach = { manage: none, login: none, fetch };
    const sinks = (): Sink[] => [];
    const subject = { vault, model, secret, rotator, reach, sinks, probes: () => [] };
    return {
      subject,
      async close() {
        counted.dispose();
        await vault.close();
      },
    };
  },
};
export default scenario;
