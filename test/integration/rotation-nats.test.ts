import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { hashSync } from "bcryptjs";
import type { Model, Secret, Service } from "../../model/model.ts";
import { bundleOf } from "../../operations/delivery/bundle.ts";
import type { Sink } from "../../operations/delivery/sink.ts";
import { sinksOf } from "../../operations/delivery/sinks.ts";
import { type Clock, vaultClock } from "../../operations/rotation/clock.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import { usersIn } from "../../operations/rotation/nats/users-file.ts";
import { rotatorOf } from "../../operations/rotation/rotators/index.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { secretNamed, setValue } from "../../operations/values/set.ts";
import { openBench, quick, type RotationBench } from "../operations/rotation/bench.ts";
import { TestNats } from "../operations/rotation/nats-server.ts";
import { Compose, type Program } from "./services/compose.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
/** Questions a second, of each of the four services. */
const rate = 60;

const names = ["titan-brain", "titan-execution-rs", "titan-sentinel", "titan-ai-quant"];

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** What the services told of their questions. */
class Load {
  accepted = 0;
  failed = 0;
  milliseconds: number[] = [];
  why: string[] = [];

  readonly hear = (line: string): void => {
    const told = JSON.parse(line) as Pick<Load, "accepted" | "failed" | "milliseconds" | "why">;
    this.accepted += told.accepted;
    this.failed += told.failed;
    this.milliseconds.push(...told.milliseconds);
    this.why.push(...told.why);
  };

  /** What was heard so far, and from now on anew. */
  take(): { accepted: number; failed: number; p99: number; why: string[] } {
    const sorted = this.milliseconds.toSorted((a, b) => a - b);
    const { accepted, failed, why } = this;
    this.accepted = this.failed = 0;
    this.milliseconds = [];
    this.why = [];
    return { accepted, failed, why, p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0 };
  }
}

/** titan's four services as processes, each on a node of its own, and a real nats-server. */
async function titan(t: { after(end: () => Promise<void>): void }, nats: TestNats) {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-titan-"));
  const load = new Load();
  const nodeOf = (name: string) => join(folder, name);
  const programs = names.map((name): [string, Program] => [
    name,
    {
      file: fileURLToPath(import.meta.resolve("./titan/nats-service.ts")),
      env: {
        NAME: name,
        NATS: nats.target.servers[0] ?? "",
        RATE: String(rate),
        TITAN_NATS_USER_FILE: join(nodeOf(name), "secrets", "titan_nats_user"),
        TITAN_NATS_PASSWORD_FILE: join(nodeOf(name), "secrets", "titan_nats_password"),
        ...(name === "titan-execution-rs" && { WATCH: "yes" }),
      },
      envFile: join(nodeOf(name), "secrets", `${name}.env`),
      said: load.hear,
    },
  ]);
  const compose = new Compose(Object.fromEntries(programs));
  t.after(async () => {
    await compose.end();
    await rm(folder, { recursive: true, force: true });
  });
  const declared = secretNamed(bench.model, "titan/nats");
  const secret: Secret = { ...declared, nats: nats.target };
  const services = bench.model.services.map(
    (service): Service =>
      names.includes(service.name) ? { ...service, user: process.getuid?.() ?? 0 } : service,
  );
  // Only this secret: the others of these services have no value here.
  const model: Model = {
    ...bench.model,
    services,
    secrets: [secret],
    rotation: { ...bench.model.rotation, watch: 1 },
  };
  const sinks = (name: string): Sink[] => {
    const service = services.find((one) => one.system === "titan" && one.name === name);
    assert.ok(service);
    return sinksOf(model, service, {
      root: nodeOf(name),
      runs: join(folder, "runs", name),
      command: compose.command,
    });
  };
  const subject: Subject = {
    vault: bench.vault,
    model,
    secret,
    rotator: await rotatorOf(secret),
    reach: { manage: never, login: never, fetch },
    probes: () => [],
    sinks: ({ name }) => sinks(name),
  };
  return { subject, secret, model, compose, load, sinks, nodeOf };
}

async function never(): Promise<never> {
  throw new Error("NATS has no database");
}

test("titan: four services ask each other over NATS at over 200 questions a second: none fails over rotations and rolling restarts (R33, R34, R35)", async (t) => {
  const first = { user: "titan-nats-first", password: randomBytes(32).toString("base64url") };
  const permissions = '{ publish: ["signals.>", "_INBOX.>"], subscribe: ["signals.>", "_INBOX.>"] }';
  await using nats = await TestNats.start(
    [
      "users = [",
      `  { user: ${first.user}, password: "${hashSync(first.password, 4)}", permissions: ${permissions} }`,
      `  { user: grafana, password: "${hashSync("somebody else's", 4)}", permissions: { publish: [] } }`,
      "]\n",
    ].join("\n"),
  );
  const { subject, secret, model, compose, load, sinks, nodeOf } = await titan(t, nats);
  const { vault } = bench;
  await setValue({ vault, model, by: "keyplane.rotate" }, secret, first, () => {});
  for (const name of names) {
    for (const sink of sinks(name)) await sink.write(await bundleOf(vault, model, `titan/${name}`));
    await compose.restart(name);
  }

  const said: string[] = [];
  const real = await vaultClock(vault);
  let ahead = 0;
  const clock: Clock = { ...real, now: () => new Date(real.now().getTime() + ahead) };
  const go = () =>
    rotate({
      ...subject,
      ...quick,
      patience: { pickUp: 30_000, probe: 1000, poll: { first: 20, longest: 100 }, again: 200 },
      reason: "scheduled",
      by: "keyplane.rotate",
      report: ({ text }) => said.push(text),
      wait: false,
      clock,
    });
  const source = async () => {
    const read = await bench.server.root.read<{ data: Record<string, string> }>(`kv/data/${secret.source}`);
    assert.ok(read);
    return read.data;
  };

  await until(() => load.accepted > 300);
  load.take();
  await until(() => load.accepted > 700);
  const quiet = load.take();
  assert.deepEqual([quiet.failed, quiet.why], [0, []]);

  const values = new Set([first.password]);
  for (let count = 1; count <= rotations; count++) {
    const old = await source();
    compose.restarts.length = 0;
    const waits = await go();
    assert.match(waits.waiting ?? "", /^both values are accepted until /);
    // Three are started again, one after another; one reads its files while it runs.
    assert.deepEqual(compose.restarts.toSorted(), ["titan-ai-quant", "titan-brain", "titan-sentinel"]);
    const fresh = await source();
    assert.notEqual(fresh.user, old.user);
    assert.deepEqual(
      usersIn(await nats.users()).map(({ name }) => name),
      [old.user, fresh.user, "grafana"],
    );
    ahead += 3_700_000;
    let end = await go();
    for (
      const patience = Date.now() + 60_000;
      end.state !== "done" && Date.now() < patience;
      end = await go()
    ) {
      assert.match(end.waiting ?? "", /still use\(s\) the old value|is at it/);
      await sleep(200);
    }
    assert.equal(end.state, "done");
    assert.deepEqual(
      usersIn(await nats.users()).map(({ name }) => name),
      [fresh.user, "grafana"],
    );
    values.add(fresh.password ?? "");
  }
  const fresh = await source();
  const { connections } = (await nats.monitor("connz?auth=1")) as {
    connections: { name: string; authorized_user: string }[];
  };
  assert.deepEqual(
    connections.map(({ name, authorized_user: user }) => [name, user]).toSorted(),
    names.map((name) => [name, fresh.user ?? ""]).toSorted(),
  );
  await compose.end();
  const during = load.take();
  assert.deepEqual([during.failed, during.why], [0, []]);
  assert.ok(during.accepted > rotations * 200, `${during.accepted} questions in ${rotations} rotations`);
  t.diagnostic(
    `${rotations} rotations under load: ${during.accepted} questions, 0 failed; p99 during ÷ idle ${during.p99} ms ÷ ${quiet.p99} ms`,
  );
  const log = `${said.join("\n")}${await nats.log()}${await nats.users()}`;
  for (const value of values)
    assert.ok(!log.includes(value), "a password stands in a log or in the users file");
  // What lies on the nodes is the last password alone.
  for (const name of names) {
    for (const file of await readdir(join(nodeOf(name), "secrets"))) {
      const text = await readFile(join(nodeOf(name), "secrets", file), "utf8");
      for (const value of values)
        assert.ok(value === fresh.password || !text.includes(value), `${name}: ${file}`);
    }
  }
});

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(20)) if (holds()) return;
  assert.fail("did not come to hold within a minute");
}
