import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { rotate } from "../../../operations/rotation/engine.ts";
import type { Outcome } from "../../../operations/rotation/outcome.ts";
import { auditLog, type Demo, openBench, type RotationBench } from "./bench.ts";
import { type Call, Calls } from "./counted.ts";
import { type Crashes, killEverywhere, startRunner } from "./crash.ts";
import type { FakeData } from "./fake-scenario.ts";
import type { World } from "./world.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const isWhole = process.env.KEYPLANE_SCALE === "prove";
const made = new Set<string>();

/** Values of this file's worlds that stand in a text. */
function valuesIn(text: string): string[] {
  assert.ok(made.size > 0);
  return [...made].filter((value) => text.includes(value));
}

/** Crashes of rotations in worlds of their own. */
function inWorlds(
  t: { after(end: () => Promise<void>): void },
  kind: World["kind"],
  converged: (demo: Demo, data: FakeData, at: string) => Promise<void>,
  prepared: (demo: Demo) => void = () => {},
): Crashes<FakeData> {
  const demos = new Map<string, Demo>();
  const demoOf = ({ address }: FakeData): Demo => {
    const demo = demos.get(address);
    if (demo === undefined) throw new Error("no such world");
    return demo;
  };
  return {
    scenario: import.meta.resolve("./fake-scenario.ts"),
    async prepare() {
      const demo = await bench.demo(t, kind, ["signer", "reader", "listener"]);
      prepared(demo);
      demos.set(demo.address, demo);
      const { model, secret, address } = demo;
      const { ca, address: vaultAddress } = bench.server;
      return { vault: { address: vaultAddress, ca, token: bench.vault.token ?? "" }, model, secret, address };
    },
    async held(data, at) {
      assert.deepEqual(demoOf(data).world.violations, [], at);
    },
    async converged(data, _outcome, at) {
      assert.deepEqual(demoOf(data).world.violations, [], at);
      await converged(demoOf(data), data, at);
    },
    values(data) {
      for (const value of demoOf(data).world.values) made.add(value);
      return demoOf(data).world.values;
    },
  };
}

for (const kind of ["hmac", "password"] as const) {
  test(`kill -9 before and after every call of a rotation (${kind}): another runner converges, nothing is left over`, async (t) => {
    const crashes = inWorlds(t, kind, async (demo, _data, at) => {
      const { world } = demo;
      const fields = await demo.fields();
      const used = fields.primary ?? fields.password;
      assert.deepEqual([...world.accepted.keys()], [used], at);
      for (const [id, { runs }] of world.actors)
        assert.equal(world.usedBy(id), used, `${at}: ${id} ${runs?.version}`);
    });
    // Where the target makes the value, it is these states that differ.
    const differ = ["generate", "stage", "revoke", "verify"];
    const only = ({ state }: Call) => isWhole || kind === "hmac" || differ.includes(state);
    const { calls, killed } = await killEverywhere(t, { ...crashes, only });
    assert.ok(calls > 60, `only ${calls} calls were counted`);
    assert.ok(killed >= (kind === "hmac" ? 10 : 4), `only ${killed} were killed`);
    assert.deepEqual(valuesIn(await auditLog(bench.server)), []);
  });
}

test("kill -9 while a compromise hastens a rotation: whoever goes on makes the one that follows as well (R21)", async (t) => {
  const firsts = new Map<string, string>();
  const demos: Demo[] = [];
  const crashes = inWorlds(
    t,
    "hmac",
    async (demo, { address }, at) => {
      const { state, reason, history, followedBy } = await demo.journal();
      assert.deepEqual([state, reason, followedBy], ["done", "compromise", undefined], at);
      const [last] = history;
      assert.deepEqual(
        [last?.id, last?.reason, last?.outcome],
        [firsts.get(address), "compromise", "done"],
        at,
      );
      assert.deepEqual([...demo.world.accepted.keys()], [(await demo.fields()).primary], at);
    },
    (demo) => void demos.push(demo),
  );
  const { killed } = await killEverywhere(t, {
    ...crashes,
    reason: "compromise",
    async prepare() {
      const data = await crashes.prepare();
      const demo = demos.at(-1) ?? assert.fail();
      demo.world.users = ["host-7"];
      const waits = await demo.rotate({ wait: false });
      assert.equal(waits.state, "drain");
      firsts.set(data.address, waits.id);
      return data;
    },
    // What comes before is the way to the journal: as if nobody had asked.
    only: ({ state }) => !["none", "drain"].includes(state),
  });
  assert.ok(killed >= 8, `only ${killed} were killed`);
});

test("kill -9 before and after every call of rolling back: another runner converges, nothing is left over", async (t) => {
  const rises = ({ world }: Demo) => {
    world.errorsRise = true;
  };
  const olds = new Map<string, Record<string, string>>();
  const crashes = inWorlds(
    t,
    "hmac",
    async (demo, { address }, at) => {
      const { world } = demo;
      const used = olds.get(address)?.primary;
      assert.deepEqual([...world.accepted.keys()], [used], at);
      assert.deepEqual(await demo.fields(), olds.get(address), at);
      for (const id of world.actors.keys()) assert.equal(world.usedBy(id), used, `${at}: ${id}`);
    },
    rises,
  );
  const { killed } = await killEverywhere(t, {
    ...crashes,
    async prepare() {
      const data = await crashes.prepare();
      const old = await bench.server.root.read<{ data: Record<string, string> }>(
        `kv/data/${data.secret.source}`,
      );
      olds.set(data.address, old?.data ?? {});
      return data;
    },
    rollsBack: "by itself",
    perState: 4,
  });
  assert.ok(killed >= 4, `only ${killed} were killed`);
});

for (const [what, call] of [
  ["the target is told", "fetch"],
  ["a consumer is written", "write files of demo/reader-2"],
  ["a source is written", "vault POST kv/data/source"],
] as const) {
  test(`a process that sleeps past its lease, just before ${what}, finds the rotation ended by another and undoes nothing`, async (t) => {
    const demos: Demo[] = [];
    const crashes = inWorlds(
      t,
      "hmac",
      async () => {},
      (demo) => void demos.push(demo),
    );
    const { prepare, scenario } = crashes;
    const index = (await callsOf(t)).findIndex(({ name }) => name.startsWith(call));
    assert.ok(index > 0);

    const data = await prepare();
    const [demo] = demos;
    assert.ok(demo);
    const lease = { lasts: 3000, call: 500 };
    const { pid, ended } = startRunner({
      ...{ scenario, data, lease, reason: "scheduled" },
      at: { index, when: "stop" },
    });
    while (!(await isStopped(pid))) await sleep(20);
    // Waits for the lease to run out, takes over, and ends it.
    const outcome = await demo.rotate();
    assert.equal(outcome.state, "done");
    const before = await demo.journal();
    process.kill(pid, "SIGCONT");
    const { code, stdout, stderr } = await ended;
    assert.equal(code, 0, stderr);
    const other = (JSON.parse(stdout) as { outcome: Outcome }).outcome;
    assert.deepEqual([other.id, other.state], [outcome.id, "done"]);
    assert.deepEqual(await demo.journal(), before);
    assert.deepEqual(demo.world.violations, []);
    const { primary } = await demo.fields();
    assert.deepEqual([...demo.world.accepted.keys()], [primary]);
    for (const [id, { held }] of demo.world.actors) {
      assert.equal(demo.world.usedBy(id), primary, id);
      assert.equal(held?.fields.primary, primary, `${id} would start with it again`);
    }
  });
}

/** The calls of an undisturbed rotation. */
async function callsOf(t: { after(end: () => Promise<void>): void }): Promise<Call[]> {
  const demo = await bench.demo(t, "hmac", ["signer", "reader", "listener"]);
  const calls = new Calls();
  await rotate({ ...demo.options(), ...calls.wrap(demo.subject) });
  return calls.all;
}

async function isStopped(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "stat=", "-p", String(pid)]);
  return stdout.startsWith("T");
}
