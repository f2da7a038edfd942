import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../../local/services/ports.ts";
import type { Model, Secret } from "../../model/model.ts";
import { bundleOf } from "../../operations/delivery/bundle.ts";
import { sinksOf } from "../../operations/delivery/sinks.ts";
import { type Clock, vaultClock } from "../../operations/rotation/clock.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import { rotatorOf } from "../../operations/rotation/rotators/index.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { type Fields, inOrder } from "../../operations/values/shape.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import { Compose, type Program } from "./services/compose.ts";
import { Load } from "./services/load.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
const rate = 300;

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** soma's gateway, which listens, and its worker, which calls, as processes that read their env-files at their start. */
async function soma(t: { after(end: () => Promise<void>): void }, secret: Secret) {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-soma-"));
  const port = await freePort([]);
  const load = new Load();
  const over = new Set<string>();
  const said = (line: string) => void (line.startsWith("{") ? load.hear(line) : over.add(line));
  const services = bench.model.services.map((service) => ({ ...service, user: process.getuid?.() ?? 0 }));
  const program = (name: string, more: Partial<Program> = {}): [string, Program] => {
    const [delivery] = services.find((service) => service.id === `soma/${name}`)?.deliver ?? [];
    assert.ok(delivery?.to === "env-file");
    const env = {
      PORT: String(port),
      RATE: String(rate),
      LISTENERS: `http://127.0.0.1:${port}/`,
      TOKENS: join(folder, "tokens.json"),
    };
    const file = fileURLToPath(import.meta.resolve(`./soma/${name}.ts`));
    return [name, { file, envFile: join(folder, delivery.path), env, ...more }];
  };
  const compose = new Compose(Object.fromEntries([program("gateway"), program("agent-worker", { said })]));
  t.after(async () => {
    await compose.end();
    await rm(folder, { recursive: true, force: true });
  });
  const model: Model = { ...bench.model, services, settings: [], secrets: [secret] };
  const never = async () => assert.fail("nothing of it lies in a database");
  const subject: Subject = {
    vault: bench.vault,
    model,
    secret,
    rotator: await rotatorOf(secret),
    reach: { manage: never, login: never, fetch },
    probes: () => [],
    sinks: ({ id, name }) => {
      const service = services.find((one) => one.id === id);
      const host = { root: folder, runs: join(folder, "runs", name), command: compose.command };
      return service === undefined ? [] : sinksOf(model, service, host);
    },
  };
  return { subject, compose, load, over, port };
}

function declared(id: string): Secret {
  const found = bench.model.secrets.find((secret) => secret.id === id);
  assert.ok(found);
  return found;
}

const signing = (): Secret => {
  const token = declared("soma/auth-internal-token");
  const as: Record<string, Record<string, string>> = {
    gateway: { KEY_SET: "jwks" },
    "agent-worker": { SIGNING_KEY: "key", SIGNING_KEY_ID: "key-id" },
  };
  return {
    ...token,
    id: "soma/signing",
    name: "signing",
    kind: "jwt",
    fields: ["key", "previous", "key-id", "jwks"],
    generator: { by: "machine", bytes: 32, encoding: "es256" },
    source: "source/soma/signing",
    journal: "rotation/soma/signing",
    consumers: token.consumers.map((consumer) => ({
      ...consumer,
      path: consumer.path.replace("auth-internal-token", "signing"),
      as: as[consumer.name] ?? {},
    })),
  };
};

for (const [what, secretOf] of [
  ["soma's internal token: no call is refused (R18, R66)", () => declared("soma/auth-internal-token")],
  ["ES256 keys as a key set: nobody who logged in before is logged out within the overlap (R49)", signing],
] as const) {
  test(`${what}, at over 200 calls a second, over rotations`, async (t) => {
    const secret = secretOf();
    const { subject, compose, load, over, port } = await soma(t, secret);
    const said: string[] = [];
    const vault = await vaultClock(bench.vault);
    let ahead = 0;
    const clock: Clock = { ...vault, now: () => new Date(vault.now().getTime() + ahead) };
    const go = (given: Partial<Subject> & { reason?: "first" } = {}) =>
      rotate({
        ...subject,
        reason: "scheduled",
        ...given,
        by: "keyplane.rotate",
        report: ({ text }) => said.push(text),
        wait: false,
        clock,
      });
    const source = async () => {
      const read = await bench.server.root.read<{ data: Fields }>(`kv/data/${secret.source}`);
      assert.ok(read);
      return read.data;
    };
    assert.equal((await go({ reason: "first", sinks: () => [] })).state, "done");
    for (const consumer of inOrder(secret.consumers).filter(({ kind }) => kind === "service")) {
      const bundle = await bundleOf(bench.vault, subject.model, consumer.id);
      for (const sink of subject.sinks(consumer)) await sink.write(bundle);
      await compose.restart(consumer.name);
    }
    await until(() => load.accepted > 300);
    load.take();
    await until(() => load.accepted > 600);
    const quiet = load.take();
    const began = performance.now();
    const values = new Set<string>();
    for (let count = 1; count <= rotations; count++) {
      const old = await source();
      compose.restarts.length = 0;
      const waits = await go();
      assert.equal(waits.state, "drain", waits.waiting);
      assert.deepEqual(compose.restarts, ["gateway", "agent-worker"]);
      // The overlap is longer than a session: those of the old key are over.
      await compose.command(["docker", "compose", "kill", "--signal", "HUP", "agent-worker"]);
      await until(() => over.delete("older sessions are over"));
      ahead += (secret.rotate.overlap + 60) * 1000;
      const end = await go();
      assert.deepEqual([end.state, end.waiting], ["done", undefined]);
      const now = await source();
      if (secret.kind === "token") {
        assert.equal(await shown(port, old.token), 401);
        assert.equal(await shown(port, now.token), 204);
      }
      for (const name of ["token", "key"]) if (old[name] !== undefined) values.add(old[name]);
    }
    await compose.end();
    const took = performance.now() - began;
    const during = load.take();
    assert.equal(during.failed + quiet.failed, 0);
    assert.ok(during.accepted > rotations * 100, `${during.accepted} calls`);
    for (const value of values) assert.ok(!said.join("\n").includes(value));
    t.diagnostic(
      `${rotations} rotations: ${during.accepted} calls, ${Math.round((1000 * during.accepted) / took)}/s with every restart, ` +
        `0 failed; p99 during ÷ idle ${during.p99} ms ÷ ${quiet.p99} ms`,
    );
  });
}

test("the gateway's key set holds no private half", async (t) => {
  const secret = { ...signing(), source: "source/soma/halves", journal: "rotation/soma/halves" };
  const { subject } = await soma(t, secret);
  const manner = { by: "keyplane.rotate", report: () => {}, wait: true };
  await rotate({ ...subject, ...manner, sinks: () => [], reason: "first" });
  const [gateway] = inOrder(secret.consumers);
  assert.ok(gateway);
  const [sink] = subject.sinks(gateway);
  const bundle = await bundleOf(bench.vault, subject.model, gateway.id);
  await sink?.write(bundle);
  assert.deepEqual(Object.keys(bundle.variables), ["KEY_SET"]);
  const { keys } = JSON.parse(bundle.variables.KEY_SET ?? "") as { keys: Record<string, string>[] };
  assert.deepEqual(
    keys.map((key) => Object.keys(key).sort()),
    [["alg", "crv", "kid", "kty", "use", "x", "y"]],
  );
});

async function shown(port: number, token: string | undefined): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  return response.status;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if (await holds()) return;
    await sleep(20);
  }
  assert.fail("did not come to hold within a minute");
}
