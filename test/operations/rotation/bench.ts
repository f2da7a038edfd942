import { readFile } from "node:fs/promises";
import type { Vault } from "../../../clients/vault.ts";
import type { Consumer, Model, Secret } from "../../../model/model.ts";
import type { Step } from "../../../operations/progress.ts";
import { type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import type { Outcome } from "../../../operations/rotation/outcome.ts";
import type { Subject } from "../../../operations/rotation/run.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { localModel, makePlatform, startTestVault, type TestVault } from "../vault.ts";
import { fakeSubject } from "./fake.ts";
import { quick } from "./quick.ts";
import { modelWith, secretIn, World } from "./world.ts";

/** A real Vault with the rotation role's own policy, for rotations of worlds. */
export interface RotationBench {
  server: TestVault;
  model: Model;
  /** A client that is logged in as the rotation role; each demo begins with one that lives long enough for it. */
  readonly vault: Vault;
  /** A secret of a world of its own, with a first value that everybody runs. */
  demo(
    t: { after(end: () => Promise<void>): void },
    kind: World["kind"],
    roles: Consumer["role"][],
    more?: Partial<Secret>,
  ): Promise<Demo>;
  login(): Promise<Vault>;
  close(): Promise<void>;
}

export interface Demo {
  world: World;
  address: string;
  secret: Secret;
  model: Model;
  subject: Subject;
  steps: Step[];
  rotate(options?: Partial<RotateOptions>): Promise<Outcome>;
  options(options?: Partial<RotateOptions>): RotateOptions;
  journal(): Promise<Journal>;
  /** The source's latest version. */
  fields(): Promise<Fields>;
  /** KV versions of the source and each consumer's path that still hold something, by path. */
  left(): Promise<Record<string, number[]>>;
}

let count = 0;

export async function openBench(): Promise<RotationBench> {
  const server = await startTestVault();
  const whole = await localModel(server);
  const sign = await makePlatform(server, whole);
  const login = async () => {
    const jwt = await sign("rotate.yml");
    const { auth } = await server.root
      .with(undefined)
      .write("auth/github/login", { role: "keyplane.rotate", jwt });
    return server.root.with(auth?.client_token);
  };
  let vault = await login();
  let loggedIn = Date.now();
  return {
    server,
    model: whole,
    get vault() {
      return vault;
    },
    login,
    close: () => server.stop(),
    async demo(t, kind, roles, more) {
      // Where every call is tried, it takes longer than a token of the rotation role lives.
      if (Date.now() - loggedIn > 300_000) {
        vault = await login();
        loggedIn = Date.now();
      }
      const world = new World(kind);
      const address = await world.start();
      t.after(() => world.stop());
      const secret = secretIn(world, `${kind}-${++count}`, roles, more);
      const model = modelWith(whole, secret);
      const subject = fakeSubject(vault, { model, secret, address });
      const steps: Step[] = [];
      const options = (given: Partial<RotateOptions> = {}): RotateOptions => ({
        ...subject,
        reason: "scheduled",
        by: "keyplane.rotate",
        report: (step) => steps.push(step),
        wait: true,
        ...quick,
        ...given,
      });
      const demo: Demo = {
        world,
        address,
        secret,
        model,
        subject,
        steps,
        options,
        rotate: (given) => rotate(options(given)),
        journal: async () => await readData<Journal>(server.root, secret.journal),
        fields: async () => {
          const found = await readData<Fields>(server.root, secret.source);
          for (const value of Object.values(found)) world.values.add(value);
          return found;
        },
        left: async () => {
          const found: Record<string, number[]> = {};
          for (const path of [secret.source, ...secret.consumers.map((consumer) => consumer.path)]) {
            found[path] = await versionsLeft(server.root, path);
          }
          return found;
        },
      };
      await demo.rotate({ reason: "first" });
      await demo.fields();
      world.settle();
      steps.length = 0;
      return demo;
    },
  };
}

async function readData<T>(vault: Vault, path: string): Promise<T> {
  const found = await vault.read<{ data: T }>(`kv/data/${path}`);
  if (found === undefined) throw new Error(`nothing at ${path}`);
  return found.data;
}

async function versionsLeft(vault: Vault, path: string): Promise<number[]> {
  const metadata = await vault.read<{ versions: Record<string, { destroyed: boolean }> }>(
    `kv/metadata/${path}`,
  );
  return Object.entries(metadata?.versions ?? {}).flatMap(([version, { destroyed }]) =>
    destroyed ? [] : [Number(version)],
  );
}

/** Every line that Vault audited so far. */
export function auditLog({ auditFile }: TestVault): Promise<string> {
  return readFile(auditFile, "utf8");
}
