import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Sink } from "../../operations/delivery/sink.ts";
import { abortRotation, rotate } from "../../operations/rotation/engine.ts";
import { probesOf } from "../../operations/rotation/probes.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { secretNamed } from "../../operations/values/set.ts";
import { freePort } from "../free-port.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import type { Program } from "./services/compose.ts";
import { deploy, MovedClock } from "./services/deployment.ts";
import { inWords, noneFailed } from "./services/load.ts";
import { until } from "./services/until.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
const rollBacks = process.env.KEYPLANE_SCALE === "prove" ? 20 : 1;
/** Messages a second, to both listeners together. */
const rate = 300;
const day = 86_400_000;

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const names = ["titan-brain", "titan-execution-rs", "titan-sentinel"];

/**
 * titan's three services as processes on its single host, with one `./secrets/` (R40).
 * @param options.how what else stands in a service's environment
 * @param options.counts whether its listeners count the use of the old key, as in staging and production; locally sinks are asked
 */
async function titan(
  t: { after(end: () => Promise<void>): void },
  { how = {}, counts = true }: { how?: Record<string, Record<string, string>>; counts?: boolean } = {},
) {
  const ports: Record<string, number> = {};
  for (const name of names) ports[name] = await freePort();
  // Listeners and signer name the same file: each has its own folder, which is its container's /run/secrets.
  let mountOf = (name: string) => name;
  const declared = secretNamed(bench.model, "titan/hmac");
  const metric = "hmac_secondary_used_total";
  const secret = counts ? { ...declared, idle: { source: "metric", metric } as const } : declared;
  const deployment = await deploy(t, {
    vault: await bench.login(),
    model: bench.model,
    secrets: [secret],
    services: bench.model.services.map((service) => {
      if (!counts || !names.slice(1).includes(service.name)) return service;
      const { unobserved: _, ...seen } = service;
      const instances = [`http://127.0.0.1:${ports[service.name]}`];
      return { ...seen, observe: { instances, metrics: "/metrics" } };
    }),
    programs({ load, rootOf }) {
      mountOf = (name) => join(rootOf({ id: `titan/${name}` }), "secrets", name);
      const listeners = names.slice(1).map((name) => `http://127.0.0.1:${ports[name]}/signals`);
      return Object.fromEntries(
        names.map((name): [string, Program] => [
          name,
          {
            file: fileURLToPath(import.meta.resolve(`./titan/${name}.ts`)),
            env: {
              ...{ PORT: String(ports[name]), RATE: String(rate), LISTENERS: listeners.join() },
              ...how[name],
            },
            envFile: join(mountOf(name), `${name}.env`),
            mount: { seenAs: "/run/secrets", folder: mountOf(name) },
            ...(name === "titan-brain" && { said: load.hear }),
          },
        ]),
      );
    },
  });
  return { ...deployment, secret, subject: await deployment.subject(secret), mountOf, ports };
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

test("titan: brain signs, execution and sentinel verify, at over 200 messages a second: none is refused over rotations and their way back (R27–R30)", async (t) => {
  const { subject, secret, compose, load, start, source: sourceOf, mountOf, ports } = await titan(t);
  const said: string[] = [];
  const clock = await MovedClock.of(subject.vault);
  const go = (given: Partial<Subject> & { reason: "first" | "scheduled" } = { reason: "scheduled" }) =>
    rotate({
      ...subject,
      ...given,
      by: "keyplane.rotate",
      report: ({ text }) => said.push(text),
      wait: false,
      clock,
    });
  const source = () => sourceOf(secret);

  // Its services are started once their files are there.
  assert.equal((await go({ reason: "first", sinks: () => [] })).state, "done");
  await start(secret);
  const quiet = await load.idle();

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
    clock.ahead += day + 60_000;
    const end = await go();
    assert.deepEqual([end.state, end.waiting], ["done", undefined]);
    for (const port of [ports["titan-execution-rs"], ports["titan-sentinel"]]) {
      await until(async () => (await answer(port, old.primary)) === 401);
      assert.equal(await answer(port, fresh.primary), 204);
    }
    for (const value of [old.primary, old.secondary, fresh.primary]) values.add(value ?? "");
    for (const value of values) assert.ok(!said.join("\n").includes(value));
    await load.more();
  }
  // Taken back after everybody had it, while messages signed with it are on their way.
  for (let count = 1; count <= rollBacks; count++) {
    const old = await source();
    assert.equal((await go()).state, "drain");
    const { primary } = await source();
    const report = ({ text }: { text: string }) => void said.push(text);
    const back = { ...subject, by: "keyplane.rotate", report, wait: false, clock, why: "a trial" };
    const outcome = await abortRotation(back);
    assert.deepEqual([outcome.state, outcome.failure], ["rolled-back", "a trial"]);
    assert.deepEqual(await source(), old);
    for (const port of [ports["titan-execution-rs"], ports["titan-sentinel"]]) {
      await until(async () => (await answer(port, primary)) === 401);
      assert.equal(await answer(port, old.primary), 204);
    }
    values.add(primary ?? "");
    await load.more();
  }
  await compose.end();
  const during = noneFailed(load.take());
  t.diagnostic(inWords(rotations, during, quiet));
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

test("titan's key rotates to its end as the catalogue has it locally: what its hosts show is enough (R30)", async (t) => {
  const { subject, secret, start, source } = await titan(t, { counts: false });
  assert.deepEqual(secret.idle, { source: "sinks" });
  const clock = await MovedClock.of(subject.vault);
  const manner = { by: "keyplane.rotate", report: () => {}, wait: false, clock };
  await rotate({ ...subject, ...manner, reason: "first", sinks: () => [] });
  await start(secret);
  const old = await source(secret);
  assert.equal((await rotate({ ...subject, ...manner, reason: "scheduled" })).state, "drain");
  clock.ahead += day + 60_000;
  const end = await rotate({ ...subject, ...manner, reason: "scheduled" });
  assert.deepEqual([end.state, end.waiting], ["done", undefined]);
  assert.notEqual((await source(secret)).primary, old.primary);
});

/** Those who verify are asked what the catalogue says (R46), and looked at often. */
async function probed({ subject, secret, model }: Awaited<ReturnType<typeof titan>>) {
  const clock = await MovedClock.of(subject.vault);
  const said: string[] = [];
  const probes: Subject["probes"] = ({ id }) => {
    const service = model.services.find((one) => one.id === id);
    return service === undefined ? [] : probesOf(secret, service, { fetch });
  };
  const patience = { pickUp: 2000, probe: 1000, poll: { first: 20, longest: 200 }, again: 500 };
  const report = ({ text }: { text: string }) => void said.push(text);
  const go = (given: Partial<Subject> & { reason?: "first" } = {}) =>
    rotate({
      ...{ ...subject, probes, patience, clock, report },
      ...{ reason: "scheduled", by: "keyplane.rotate", wait: false },
      ...given,
    });
  /** A value to begin with, where there is none. */
  const first = async () => {
    const { state, unchanged } = await go({ reason: "first", sinks: () => [], probes: () => [] });
    assert.ok(unchanged || state === "done", state);
  };
  return { go, first, clock, said };
}

/** What a service's path is and was in Vault, and its files on its host: what it can ever have seen. */
async function seenBy(name: string, { model, secret, mountOf }: Awaited<ReturnType<typeof titan>>) {
  const path = secret.consumers.find((one) => one.name === name)?.path;
  const { kv } = model.vault.mounts;
  const metadata = await bench.server.root.read<{ current_version: number }>(`${kv}/metadata/${path}`);
  const files = await readdir(mountOf(name));
  const texts = await Promise.all(files.map((file) => readFile(join(mountOf(name), file), "utf8")));
  return { version: metadata?.current_version, texts };
}

test("titan: a new key that sentinel rejects is rolled back before brain has it, and no message is refused", async (t) => {
  const it = await titan(t, { how: { "titan-sentinel": { LONGEST_KEY: "64" } } });
  const { subject, secret, compose, load, start, source: sourceOf, ports } = it;
  const source = () => sourceOf(secret);
  const { go, first, said } = await probed(it);
  await first();
  await start(secret);
  await load.idle();
  const old = await source();
  const before = await seenBy("titan-brain", it);
  compose.restarts.length = 0;
  // From now on keys are to be longer: the catalogue says so, and sentinel was not built for that.
  const longer = { ...secret, generator: { by: "machine", bytes: 48, encoding: "hex" } } as const;
  let fresh: Record<string, string> = {};
  let answers: number[] = [];
  const sinks = onceWritten(subject, "titan-sentinel", async () => {
    fresh = await source();
    const port = ports["titan-execution-rs"];
    await until(async () => (await answer(port, fresh.primary)) === 204);
  });
  const restart = compose.restart.bind(compose);
  compose.restart = async (name) => {
    await restart(name);
    const asked = [fresh.primary, old.primary].map((key) => answer(ports["titan-sentinel"], key));
    if (answers.length === 0) answers = await Promise.all(asked);
  };
  const outcome = await go({ secret: longer, sinks });
  assert.equal(outcome.state, "rolled-back", outcome.waiting);
  assert.match(outcome.failure ?? "", /^titan\/titan-sentinel, GET .*\/health\/hmac: answers 503$/);
  assert.equal(fresh.primary?.length, 96);
  assert.deepEqual(answers, [401, 204], "it ran with the new key, and accepted the old one alone");
  assert.deepEqual(compose.restarts, ["titan-sentinel", "titan-sentinel"]);
  assert.deepEqual(await seenBy("titan-brain", it), before);
  assert.deepEqual(await source(), old);
  for (const port of [ports["titan-execution-rs"], ports["titan-sentinel"]]) {
    await until(async () => (await answer(port, fresh.primary)) === 401);
    assert.equal(await answer(port, old.primary), 204);
  }
  assert.ok(!said.join("\n").includes(fresh.primary ?? ""));
  await compose.end();
  noneFailed(load.take());
});

test("titan: execution never picks up the new key: brain does not get it, the old one stays, whatever time passes, and execution is named", async (t) => {
  const it = await titan(t, { how: { "titan-execution-rs": { DEAF: "yes" } } });
  const { secret, compose, load, start, source: sourceOf, ports } = it;
  const { go, first, clock } = await probed(it);
  await first();
  await start(secret);
  await load.idle();
  const old = await sourceOf(secret);
  const before = await seenBy("titan-brain", it);
  compose.restarts.length = 0;
  for (const passed of [0, day + 60_000, 30 * day]) {
    clock.ahead = passed;
    const { state, waiting } = await go();
    assert.equal(state, "deliver-listeners");
    assert.match(waiting ?? "", /^titan\/titan-execution-rs does not run the new value: .*it has not read /);
    for (const port of [ports["titan-execution-rs"], ports["titan-sentinel"]]) {
      assert.equal(await answer(port, old.primary), 204);
    }
  }
  assert.ok(!compose.restarts.includes("titan-brain"));
  assert.deepEqual(await seenBy("titan-brain", it), before);
  // A person starts it again: it has the new key, and the rotation goes on by itself.
  await compose.restart("titan-execution-rs");
  assert.equal((await go()).state, "drain");
  assert.ok(compose.restarts.includes("titan-brain"));
  await compose.end();
  noneFailed(load.take());
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
