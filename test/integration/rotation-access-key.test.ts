import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Consumer, Model, Secret, Service } from "../../model/model.ts";
import { bundleOf } from "../../operations/delivery/bundle.ts";
import { sinksOf } from "../../operations/delivery/sinks.ts";
import { type Clock, vaultClock } from "../../operations/rotation/clock.ts";
import { type Outcome, rotate } from "../../operations/rotation/engine.ts";
import { rotatorOf } from "../../operations/rotation/rotators/index.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { secretNamed, setValue } from "../../operations/values/set.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import { IamServer } from "../operations/rotation/iam-server.ts";
import { Compose, type Program } from "./services/compose.ts";
import { Load } from "./services/load.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
/** Calls a second, of each of the two. */
const rate = 120;
const names = ["api", "worker"];
const files = { STORE_USER_FILE: "store_user", STORE_PASSWORD_FILE: "store_password" };

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** solo's api, which watches its files, and a worker, which starts again: clients that sign what they ask the store. */
async function solo(t: { after(end: () => Promise<void>): void }, iam: IamServer) {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-access-key-"));
  const load = new Load();
  const at = (name: string, file: string) => join(folder, name, "secrets", file);
  const programs = names.map((name): [string, Program] => [
    name,
    {
      file: fileURLToPath(import.meta.resolve("./solo/store-client.ts")),
      env: {
        ...{ STORE: `${iam.address}/`, RATE: String(rate) },
        ...(name === "api" && { WATCH: "yes" }),
        STORE_USER_FILE: at(name, files.STORE_USER_FILE),
        STORE_PASSWORD_FILE: at(name, files.STORE_PASSWORD_FILE),
      },
      envFile: join(folder, "none"),
      said: load.hear,
    },
  ]);
  const compose = new Compose(Object.fromEntries(programs));
  t.after(async () => {
    await compose.end();
    await rm(folder, { recursive: true, force: true });
  });
  const services = names.map(
    (name): Service => ({
      ...{ id: `solo/${name}`, system: "solo", name, runsOn: "compose", policy: `solo.${name}` },
      user: process.getuid?.() ?? 0,
      reload: name === "api" ? "watch" : "restart",
      deliver: [{ to: "files", folder: "/secrets" }],
    }),
  );
  const consumers = names.map(
    (name): Consumer => ({
      ...{ id: `solo/${name}`, kind: "service", name, role: "reader", path: `services/solo/${name}/minio` },
      as: { STORE_USER_FILE: "user", STORE_PASSWORD_FILE: "password" },
      files,
    }),
  );
  const credential = "titan/binance";
  const provider = {
    name: "aws",
    api: true,
    address: iam.address,
    credential,
    rate: { requests: 1000, per: 1 },
  };
  const declared = secretNamed(bench.model, "solo/minio");
  const overlap = { by: "machine", overlap: 3600, onCompromise: true } as const;
  const secret: Secret = { ...declared, consumers, provider, rotate: overlap, idle: { source: "provider" } };
  const model: Model = {
    ...bench.model,
    services,
    secrets: [secret, secretNamed(bench.model, credential)],
    settings: [],
    rotation: { ...bench.model.rotation, watch: 1 },
  };
  const never = async () => assert.fail("a store has no database");
  const subject: Subject = {
    ...{ vault: bench.vault, model, secret, rotator: await rotatorOf(secret) },
    reach: { manage: never, login: never, fetch },
    probes: () => [],
    sinks: ({ id, name }) => {
      const service = services.find((one) => one.id === id);
      const host = { root: join(folder, name), runs: join(folder, "runs", name), command: compose.command };
      return service === undefined ? [] : sinksOf(model, service, host);
    },
  };
  return { subject, secret, model, compose, load };
}

test("solo's access key rotates at IAM, whose keys carry no labels, under over 200 signed calls a second: none fails (R27)", async (t) => {
  await using iam = await IamServer.start();
  const [admin, first] = [iam.issue("keyplane"), iam.issue("solo")];
  const { subject, secret, model, compose, load } = await solo(t, iam);
  const { vault } = bench;
  const set = (of: string, value: Record<string, string>) =>
    setValue({ vault, model, by: "keyplane.rotate" }, secretNamed(model, of), value, () => {});
  await set("titan/binance", { key: admin.id, secret: admin.secret });
  await set(secret.id, { user: first.id, password: first.secret });
  for (const consumer of secret.consumers) {
    for (const sink of subject.sinks(consumer)) await sink.write(await bundleOf(vault, model, consumer.id));
    await compose.restart(consumer.name);
  }
  const said: string[] = [];
  const real = await vaultClock(vault);
  const clock: Clock = { ...real, now: () => new Date(real.now().getTime() + iam.ahead) };
  const until = async (state: (outcome: Outcome) => boolean) => {
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(100)) {
      const outcome = await rotate({
        ...subject,
        backoff: { first: 20, longest: 2000, tries: 5 },
        patience: { pickUp: 30_000, probe: 1000, poll: { first: 20, longest: 100 }, again: 200 },
        ...{ reason: "scheduled", by: "keyplane.rotate", wait: false, clock },
        report: ({ text }) => said.push(text),
      });
      if (state(outcome)) return;
      assert.equal(outcome.failure, undefined);
    }
    assert.fail(`did not come to it within a minute: ${said.slice(-5).join("; ")}`);
  };
  const own = () => iam.keys.filter(({ user }) => user === "solo");
  while (load.accepted < 300) await sleep(20);
  load.take();
  while (load.accepted < 500) await sleep(20);
  const quiet = load.take();
  const values = new Set([first.secret]);
  const began = performance.now();
  for (let count = 1; count <= rotations; count++) {
    const [old] = own();
    compose.restarts.length = 0;
    // Each answer is lost once, after IAM has acted.
    const lost = new Set(["CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"]);
    iam.fault = (action) => (count === 1 && lost.delete(action) ? "lost" : undefined);
    await until(({ waiting = "" }) => waiting.startsWith("both values are accepted until"));
    assert.deepEqual(compose.restarts, ["worker"]);
    assert.equal(own().length, 2);
    // The overlap, and as long as IAM may take to tell of the last use.
    iam.ahead += 3_700_000;
    await until(({ state }) => state === "done");
    assert.deepEqual([own().length, own()[0] === old], [1, false]);
    values.add(own()[0]?.secret ?? "");
  }
  const took = performance.now() - began;
  await compose.end();
  const during = load.take();
  assert.equal(quiet.failed + during.failed, 0);
  assert.ok(during.accepted > rotations * 100, `${during.accepted} calls in ${rotations} rotations`);
  for (const value of values) assert.ok(!said.join("\n").includes(value), "a key stands in the progress");
  t.diagnostic(
    `${rotations} rotations: ${during.accepted} signed calls, ${Math.round((1000 * during.accepted) / took)}/s with every restart, ` +
      `0 failed; p99 during ÷ idle ${during.p99} ms ÷ ${quiet.p99} ms`,
  );
});
