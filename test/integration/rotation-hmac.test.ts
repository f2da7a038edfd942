import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../../local/services/ports.ts";
import type { Model, Secret } from "../../model/model.ts";
import { bundleOf } from "../../operations/delivery/bundle.ts";
import type { Sink } from "../../operations/delivery/sink.ts";
import { type SinkOptions, sinksOf } from "../../operations/delivery/sinks.ts";
import { type Clock, vaultClock } from "../../operations/rotation/clock.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import { hmac } from "../../operations/rotation/rotators/hmac.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { inOrder } from "../../operations/values/shape.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import { Compose, type Program } from "./services/compose.ts";
import { Load } from "./services/load.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
/** Messages a second, to both listeners together. */
const rate = 300;
const day = 86_400_000;

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** titan's three services as processes on its single host, with one `./secrets/` (R40). */
async function titan(t: { after(end: () => Promise<void>): void }) {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-titan-"));
  const load = new Load();
  const names = ["titan-brain", "titan-execution-rs", "titan-sentinel"];
  const ports: Record<string, number> = {};
  for (const name of names) ports[name] = await freePort(Object.values(ports));
  const host = join(folder, "host");
  // Listeners and signer name the same file: each has its own folder, which is its container's /run/secrets.
  const mountOf = (name: string) => join(host, "secrets", name);
  const programs = Object.fromEntries(
    names.map((name): [string, Program] => [
      name,
      {
        file: fileURLToPath(import.meta.resolve(`./titan/${name}.ts`)),
        env: {
          PORT: String(ports[name]),
          RATE: String(rate),
          LISTENERS: names
            .slice(1)
            .map((listener) => `http://127.0.0.1:${ports[listener]}/signals`)
            .join(),
        },
        envFile: join(mountOf(name), `${name}.env`),
        mount: { seenAs: "/run/secrets", folder: mountOf(name) },
        ...(name === "titan-brain" && { said: load.hear }),
      },
    ]),
  );
  const compose = new Compose(programs);
  t.after(async () => {
    await compose.end();
    await rm(folder, { recursive: true, force: true });
  });
  const services = bench.model.services.map((service) => ({
    ...service,
    ...(names.includes(service.name) && {
      user: process.getuid?.() ?? 0,
      ...(service.name !== "titan-brain" && {
        observe: { instances: [`http://127.0.0.1:${ports[service.name]}`], metrics: "/metrics" },
      }),
    }),
  }));
  const found = bench.model.secrets.find(({ id }) => id === "titan/hmac");
  assert.ok(found);
  const secret: Secret = found;
  // Only this secret: the others of these services have no value here.
  const model: Model = {
    ...bench.model,
    services,
    secrets: [secret],
    rotation: { ...bench.model.rotation, watch: 1 },
  };
  const subject: Subject = {
    vault: bench.vault,
    model,
    secret,
    rotator: hmac,
    reach: { manage: never, login: never, fetch },
    probes: () => [],
    sinks: ({ id }) => {
      const options: SinkOptions = { root: host, runs: join(folder, "runs"), command: compose.command };
      const service = services.find((one) => one.id === id);
      return service === undefined ? [] : sinksOf(model, service, options);
    },
  };
  return { subject, secret, compose, load, mountOf, ports };
}

/** The same sinks; does something once, as soon as a service's new values lie on its host. */
function onceWritten(subject: Subject, name: string, act: () => Promise<void>): Subject["sinks"] {
  let done = false;
  return (consumer) =>
    subject.sinks(consumer).map((sink): Sink => {
      if (consumer.name !== name) return sink;
      return {
        name: sink.name,
        reload: () => sink.reload(),
        running: (secret, version) => sink.running(secret, version),
        async write(bundle) {
          const changed = await sink.write(bundle);
          if (!changed || done) return changed;
          done = true;
          await act();
          return changed;
        },
      };
    });
}

async function never(): Promise<never> {
  throw new Error("an HMAC key has no database");
}

test("titan: brain signs, execution and sentinel verify, at over 200 messages a second: none is refused over rotations (R27–R30)", async (t) => {
  const { subject, secret, compose, load, mountOf, ports } = await titan(t);
  const said: string[] = [];
  const vault = await vaultClock(bench.vault);
  let ahead = 0;
  const clock: Clock = { ...vault, now: () => new Date(vault.now().getTime() + ahead) };
  const go = (given: Partial<Subject> & { reason: "first" | "scheduled" } = { reason: "scheduled" }) =>
    rotate({
      ...subject,
      ...given,
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

  // Its services are started once their files are there.
  assert.equal((await go({ reason: "first", sinks: () => [] })).state, "done");
  for (const consumer of inOrder(secret.consumers)) {
    const bundle = await bundleOf(bench.vault, subject.model, consumer.id);
    for (const sink of subject.sinks(consumer)) await sink.write(bundle);
    await compose.restart(consumer.name);
  }
  await until(() => load.accepted > 500);
  load.take();
  await until(() => load.accepted > 1000);
  const quiet = load.take();
  const began = performance.now();

  const values = new Set<string>();
  for (let count = 1; count <= rotations; count++) {
    const old = await source();
    compose.restarts.length = 0;
    // The listeners and the signer have the new key; both are accepted for 24 h.
    const crashes = count % 5 === 1;
    // A signer that starts again when one listener has the new key, and the other has not, goes on with the old one.
    const crash = () => compose.restart("titan-brain");
    const sinks = onceWritten(subject, "titan-execution-rs", crash);
    const waits = await go({ reason: "scheduled", ...(crashes && { sinks }) });
    assert.equal(waits.state, "drain", waits.waiting);
    assert.match(waits.waiting ?? "", /^both values are accepted until /);
    const crashed = crashes ? ["titan-brain"] : [];
    assert.deepEqual(compose.restarts, [...crashed, "titan-sentinel", "titan-brain"]);
    const fresh = await source();
    assert.notEqual(fresh["key-id"], old["key-id"]);
    assert.equal(fresh.secondary, old.primary);
    for (const port of [ports["titan-execution-rs"], ports["titan-sentinel"]]) {
      assert.equal(await answer(port, old.primary), 204, "the old key is accepted within the overlap");
    }
    ahead += day + 60_000;
    const end = await go();
    assert.deepEqual([end.state, end.waiting], ["done", undefined]);
    for (const port of [ports["titan-execution-rs"], ports["titan-sentinel"]]) {
      await until(async () => (await answer(port, old.primary)) === 401);
      assert.equal(await answer(port, fresh.primary), 204);
    }
    for (const value of [old.primary, old.secondary, fresh.primary]) values.add(value ?? "");
    for (const value of values) assert.ok(!said.join("\n").includes(value));
  }
  await until(() => load.accepted > 0);
  await compose.end();
  const during = load.take();
  const perSecond = Math.round((1000 * during.accepted) / (performance.now() - began));
  assert.equal(during.failed, 0);
  assert.equal(quiet.failed, 0);
  assert.ok(during.accepted > rotations * 500, `${during.accepted} messages in ${rotations} rotations`);
  t.diagnostic(
    `${rotations} rotations: ${during.accepted} messages, ${perSecond}/s with every restart, 0 failed; p99 during ÷ idle ${during.p99} ms ÷ ${quiet.p99} ms`,
  );
  // What lies on the host is the last key alone.
  const last = await source();
  for (const name of ["titan-brain", "titan-execution-rs", "titan-sentinel"]) {
    for (const file of await readdir(mountOf(name))) {
      const text = await readFile(join(mountOf(name), file), "utf8");
      for (const value of values)
        assert.ok(value === last.primary || !text.includes(value), `${name}: ${file}`);
    }
  }
});

/** What a listener answers to a message that is signed with a key. */
async function answer(port: number | undefined, key: string | undefined): Promise<number> {
  const body = "asked by the test";
  const signature = createHmac("sha256", key ?? "")
    .update(body)
    .digest("hex");
  const response = await fetch(`http://127.0.0.1:${port}/signals`, {
    method: "POST",
    body,
    headers: { "x-titan-signature": signature },
  });
  return response.status;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail("did not come to hold within a minute");
}
