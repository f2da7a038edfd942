import { Vault } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import { logMarkOf, sinksOf } from "../../../operations/delivery/sinks.ts";
import { probesOf } from "../../../operations/rotation/probes.ts";
import type { Reach } from "../../../operations/rotation/rotator.ts";
import { rotatorOf } from "../../../operations/rotation/rotators/index.ts";
import { countFiles } from "./counted-files.ts";
import type { Scenario } from "./crash.ts";

export interface HostData {
  vault: { address: string; ca: string; token: string };
  model: Model;
  secret: Secret;
  /** What stands for the root of the services' host, and where runs are described. */
  root: string;
  runs: string;
  /** Where the host's commands are run. */
  commands: string;
}

/** A secret whose consumers get it by real sinks on one host that outlives the runner; they are reloaded and probed. */
const scenario: Scenario<HostData> = {
  async open({ vault: options, model, secret, root, runs, commands }, count) {
    const vault = new Vault(options);
    const counted = new DisposableStack();
    countFiles(counted, (path) => String(path).startsWith(root), count);
    const never = async (): Promise<never> => {
      throw new Error("there is no database");
    };
    const reach: Reach = { manage: never, login: never, fetch };
    const serviceOf = (id: string) => model.services.find((service) => service.id === id);
    const command = (argv: string[]): Promise<string> => {
      // Its last word is the service.
      return count(`command ${argv.slice(0, -1).join(" ")}`, async () => {
        const answer = await fetch(commands, { method: "POST", body: JSON.stringify(argv) });
        if (!answer.ok) throw new Error(`nobody expected ${argv.join(" ")}`);
        return answer.text();
      });
    };
    const sinks = (id: string) => {
      const service = serviceOf(id);
      return service === undefined ? [] : sinksOf(model, service, { root, runs, command });
    };
    return {
      subject: {
        ...{ vault, model, secret, reach, rotator: await rotatorOf(secret) },
        sinks: ({ id }) => sinks(id),
        probes: ({ id }) => {
          const service = serviceOf(id);
          if (service === undefined) return [];
          const logMark = () => logMarkOf(service, sinks(id), secret.id, { runs });
          return probesOf(secret, service, { fetch, root, logMark });
        },
      },
      async close() {
        counted.dispose();
        await vault.close();
      },
    };
  },
};
export default scenario;
