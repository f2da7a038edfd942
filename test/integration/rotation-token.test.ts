import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Secret } from "../../model/model.ts";
import { bundleOf } from "../../operations/delivery/bundle.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { secretNamed } from "../../operations/values/set.ts";
import { inOrder } from "../../operations/values/shape.ts";
import { freePort } from "../free-port.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import type { Program } from "./services/compose.ts";
import { deploy, MovedClock } from "./services/deployment.ts";
import { inWords, noneFailed } from "./services/load.ts";
import { until } from "./services/until.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
/** Calls a second while the worker is there: it is started again in each rotation. */
const rate = 400;

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/**
 * soma's gateway, which listens (or another server that does), and its worker, which calls, as processes that read their
 * env-files at their start; where the worker watches, for each call.
 */
async function soma(
  t: { after(end: () => Promise<void>): void },
  secret: Secret,
  { watches = false, server = "gateway" } = {},
) {
  const port = await freePort();
  const over = new Set<string>();
  const deployment = await deploy(t, {
    vault: await bench.login(),
    model: bench.model,
    secrets: [secret],
    services: bench.model.services.map((service) =>
      watches && service.id === "soma/agent-worker" ? { ...service, reload: "watch" } : service,
    ),
    programs({ load, rootOf }) {
      const said = (line: string) => void (line.startsWith("{") ? load.hear(line) : over.add(line));
      const program = (name: string, more: Partial<Program> = {}): [string, Program] => {
        const id = `soma/${name}`;
        const [delivery] = bench.model.services.find((service) => service.id === id)?.deliver ?? [];
        assert.ok(delivery?.to === "env-file");
        const env = {
          PORT: String(port),
          RATE: String(rate),
          LISTENERS: `http://127.0.0.1:${port}/`,
          TOKENS: join(rootOf({ id }), "tokens.json"),
          ...(watches && { WATCH: join(rootOf({ id }), delivery.path) }),
        };
        const file = fileURLToPath(
          import.meta.resolve(name === server ? "./soma/gateway.ts" : `./soma/${name}.ts`),
        );
        return [name, { file, envFile: join(rootOf({ id }), delivery.path), env, ...more }];
      };
      return Object.fromEntries([program(server), program("agent-worker", { said })]);
    },
  });
  return { ...deployment, subject: await deployment.subject(secret), over, port };
}

const signing = (): Secret => {
  const token = secretNamed(bench.model, "soma/auth-internal-token");
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
  [
    "soma's internal token: no call is refused (R18, R66)",
    () => secretNamed(bench.model, "soma/auth-internal-token"),
  ],
  ["ES256 keys as a key set: nobody who logged in before is logged out within the overlap (R49)", signing],
] as const) {
  test(`${what}, at over 200 calls a second, over rotations`, async (t) => {
    const secret = secretOf();
    const { subject, compose, load, start, source: sourceOf, over, port } = await soma(t, secret);
    const said: string[] = [];
    const clock = await MovedClock.of(subject.vault);
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
    const source = () => sourceOf(secret);
    assert.equal((await go({ reason: "first", sinks: () => [] })).state, "done");
    await start(secret);
    const quiet = await load.idle();
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
      clock.ahead += (secret.rotate.overlap + 60) * 1000;
      const end = await go();
      assert.deepEqual([end.state, end.waiting], ["done", undefined]);
      const now = await source();
      if (secret.kind === "token") {
        assert.equal(await shown(port, old.token), 401);
        assert.equal(await shown(port, now.token), 204);
      }
      for (const name of ["token", "key"]) if (old[name] !== undefined) values.add(old[name]);
      await load.more();
    }
    await compose.end();
    const during = noneFailed(load.take());
    for (const value of values) assert.ok(!said.join("\n").includes(value));
    t.diagnostic(inWords(rotations, during, quiet));
  });
}

test("a password, which has one value at a time: whoever is refused reads it again, and no call of over 200 a second fails over rotations (R27)", async (t) => {
  const declared = secretNamed(bench.model, "soma/redis");
  const secret: Secret = {
    ...declared,
    templates: {},
    // As the catalogue has them: redis checks it, so that it starts with the new one first, and then its client gets it.
    consumers: declared.consumers
      .filter(({ name }) => name !== "gateway")
      .map((consumer) => ({ ...consumer, as: { SA01_AUTH_INTERNAL_TOKEN: "password" } })),
  };
  const { subject, compose, load, start, source, port } = await soma(t, secret, {
    watches: true,
    server: "redis",
  });
  const said: string[] = [];
  const go = (given: Partial<Subject> & { reason: "first" | "scheduled" } = { reason: "scheduled" }) =>
    rotate({
      ...{ ...subject, ...given },
      by: "keyplane.rotate",
      report: ({ text }) => said.push(text),
      wait: false,
    });
  assert.equal((await go({ reason: "first", sinks: () => [] })).state, "done");
  await start(secret);
  const quiet = await load.idle();
  const values = new Set<string>();
  for (let count = 1; count <= rotations; count++) {
    const { password: old = "" } = await source(secret);
    compose.restarts.length = 0;
    const { state, waiting } = await go();
    assert.deepEqual([state, waiting], ["done", undefined]);
    assert.deepEqual(compose.restarts, ["redis"]);
    const { password: now = "" } = await source(secret);
    assert.deepEqual([await shown(port, old), await shown(port, now)], [401, 204]);
    values.add(old).add(now);
    await load.more();
  }
  await compose.end();
  const during = noneFailed(load.take());
  for (const value of values) assert.ok(!said.join("\n").includes(value));
  t.diagnostic(inWords(rotations, during, quiet));
});

test("the gateway's key set holds no private half", async (t) => {
  const secret = { ...signing(), source: "source/soma/halves", journal: "rotation/soma/halves" };
  const { subject } = await soma(t, secret);
  const manner = { by: "keyplane.rotate", report: () => {}, wait: true };
  await rotate({ ...subject, ...manner, sinks: () => [], reason: "first" });
  const [gateway] = inOrder(secret.consumers);
  assert.ok(gateway);
  const [sink] = subject.sinks(gateway);
  const bundle = await bundleOf(subject.vault, { ...subject.model, settings: [] }, gateway.id);
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
