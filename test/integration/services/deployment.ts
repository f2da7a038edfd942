import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Vault } from "../../../clients/vault.ts";
import type { Consumer, Model, Secret, Service } from "../../../model/model.ts";
import { bundleOf } from "../../../operations/delivery/bundle.ts";
import type { Sink } from "../../../operations/delivery/sink.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { type Clock, vaultClock } from "../../../operations/rotation/clock.ts";
import type { Reach } from "../../../operations/rotation/rotator.ts";
import { rotatorOf } from "../../../operations/rotation/rotators/index.ts";
import type { Subject } from "../../../operations/rotation/run.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { type Fields, inOrder } from "../../../operations/values/shape.ts";
import { Compose, type Program } from "./compose.ts";
import { Load } from "./load.ts";

/** Services as processes on hosts of their own, the way to what they are delivered, and what they tell. */
export interface Deployment {
  folder: string;
  load: Load;
  compose: Compose;
  model: Model;
  sinks(consumer: Pick<Consumer, "id">): Sink[];
  /** Brings each consumer of a secret what its paths hold, and starts it. */
  start(secret: Secret): Promise<void>;
  /** The latest version of a secret. */
  source(secret: Secret): Promise<Fields>;
  /** What rotates a secret. */
  subject(secret: Secret): Promise<Subject>;
}

interface Deploying {
  /** As the rotation role. */
  vault: Vault;
  model: Model;
  /** Only these: others of their services have no value here. */
  secrets: Secret[];
  /** Owned by whoever runs the test. */
  services: Service[];
  programs(at: { load: Load; rootOf(service: Pick<Service, "id">): string }): Record<string, Program>;
  /** The host of a service, below the test's folder; one for all by default. */
  hostOf?(service: Pick<Service, "id">): string;
  reach?: Reach;
}

/** The signals of a rotation are watched for a second; everything ends with the test. */
export async function deploy(
  t: { after(end: () => Promise<void>): void },
  { vault, secrets, programs, hostOf = () => "host", reach = nowhere, ...given }: Deploying,
): Promise<Deployment> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-deployed-"));
  const load = new Load();
  const rootOf = (service: Pick<Service, "id">) => join(folder, hostOf(service));
  const compose = new Compose(programs({ load, rootOf }));
  t.after(async () => {
    await compose.end();
    await rm(folder, { recursive: true, force: true });
  });
  const services = given.services.map((service) => ({ ...service, user: process.getuid?.() ?? 0 }));
  const rotation = { ...given.model.rotation, watch: 1 };
  const model: Model = { ...given.model, services, secrets, rotation };
  const sinks = ({ id }: Pick<Consumer, "id">): Sink[] => {
    const service = services.find((one) => one.id === id);
    if (service === undefined) return [];
    const runs = join(folder, "runs", hostOf(service));
    return sinksOf(model, service, { root: rootOf(service), runs, command: compose.command });
  };
  return {
    ...{ folder, load, compose, model, sinks },
    async start({ consumers }) {
      for (const { id, name } of inOrder(consumers.filter(({ kind }) => kind === "service"))) {
        for (const sink of sinks({ id })) await sink.write(await bundleOf(vault, model, id));
        await compose.restart(name);
      }
    },
    async source({ source }) {
      const found = await readFields(vault, model.vault.mounts.kv, source);
      if (found === undefined) throw new Error(`nothing at ${source}`);
      return found;
    },
    subject: async (secret) => ({
      ...{ vault, model, secret, reach, sinks },
      rotator: await rotatorOf(secret),
      probes: () => [],
    }),
  };
}

async function never(): Promise<never> {
  throw new Error("nothing of it lies in a database");
}
const nowhere: Reach = { manage: never, login: never, fetch };

/** Vault's clock, which a test moves: overlaps pass in a moment. */
export class MovedClock implements Clock {
  /** Milliseconds. */
  ahead = 0;
  readonly #clock: Clock;

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  static async of(vault: Vault): Promise<MovedClock> {
    return new MovedClock(await vaultClock(vault));
  }

  now(): Date {
    return new Date(this.#clock.now().getTime() + this.ahead);
  }

  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(milliseconds, signal);
  }

  observe(vault: Date, took: number): void {
    this.#clock.observe?.(vault, took);
  }
}
