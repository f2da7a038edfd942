import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import { readJournal } from "../../../operations/rotation/journal-store.ts";
import { clockOf } from "../../../operations/rotation/runner.ts";
import { candidatesOf, statusOf } from "../../../operations/rotation/status.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { MovedClock } from "../../integration/services/deployment.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { DatabaseUserCase } from "./postgres-case.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { quick } from "./quick.ts";
import targetScenario, { type TargetData } from "./target-scenario.ts";
import { bybitTarget, type Platform, providerTarget } from "./targets.ts";

// A runner's whole process is minutes off: everything that asks this machine for the time gets the wrong one. Vault, Postgres
// and the providers have the right one.

let server: DatabaseServer;
let bench: RotationBench;
let platform: Platform;
const shared = endedWithFile();
before(async () => {
  [server, bench] = await Promise.all([startDatabaseServer(shared), openBench()]);
  const { root, address, ca } = bench.server;
  platform = { root, model: bench.model, address, ca, login: bench.login };
});
after(() => bench.close());

const minute = 60_000;
const Right = Date;

/** Sets this process's clock until the test ends. */
function skew(t: TestContext, milliseconds: number): void {
  class Wrong extends Right {
    constructor(...given: [] | [number | string | Date]) {
      super(given.length === 0 ? Right.now() + milliseconds : given[0]);
    }
    static override now(): number {
      return Right.now() + milliseconds;
    }
  }
  globalThis.Date = Wrong as DateConstructor;
  t.after(() => {
    globalThis.Date = Right;
  });
}

/** Less than the clock is off by. */
const overlap = 120;

for (const off of [5 * minute, -5 * minute]) {
  const by = `${off / minute} min off`;

  test(`Postgres, a runner ${by}: both users log in until the overlap has passed by Vault's time, and only then the old one is gone`, async (t) => {
    const user = new DatabaseUserCase(server, server.secret("titan/ledger-titan-brain"), new Set<string>());
    const old = await user.first();
    Object.assign(user.secret.rotate, { overlap });
    skew(t, off);
    const waits = await user.rotate("scheduled", { wait: false, ...quick });
    assert.equal(waits.state, "drain", waits.waiting);
    const next = await user.source();
    assert.deepEqual([await user.refusal(old), await user.refusal(next)], [undefined, undefined]);
    const { journal } = await readJournal({ vault: server.rotator, model: server.model }, user.secret);
    for (const time of [journal?.switchedAt, journal?.startedAt, journal?.since]) {
      const away = Math.abs(Right.parse(time ?? "") - Right.now());
      assert.ok(away < minute, `${time} is not Vault's time`);
    }
    const clock = await MovedClock.of(server.rotator);
    clock.ahead = (overlap - 60) * 1000;
    const still = await user.rotate("scheduled", { wait: false, clock, ...quick });
    assert.equal(still.state, "drain");
    assert.deepEqual([await user.refusal(old), await user.refusal(next)], [undefined, undefined]);
    clock.ahead = (overlap + 60) * 1000;
    const end = await user.rotate("scheduled", { wait: false, clock, ...quick });
    assert.deepEqual([end.state, end.waiting], ["done", undefined]);
    assert.ok((await user.refusal(old)) !== undefined);
    assert.equal(await user.refusal(next), undefined);
  });

  test(`Postgres, a runner ${by}: what is due in four minutes is not rotated, and what was due a moment ago is`, async (t) => {
    const user = new DatabaseUserCase(server, server.secret("titan/ledger-titan-brain"), new Set<string>());
    await user.first();
    skew(t, off);
    const { rotator: vault, model } = server;
    const states = async (every: number) => {
      const now = (await clockOf({ vault })).now();
      const one = { ...user.secret, rotate: { ...user.secret.rotate, every } };
      const reading = { vault, model: { ...model, rotation: { ...model.rotation, jitter: 0 } } };
      const states = await statusOf(reading, [one], now);
      return candidatesOf(states, { what: "due" }, 0, now).candidates.length;
    };
    assert.equal(await states(240), 0);
    await sleep(2_500);
    assert.equal(await states(1), 1);
  });

  for (const [what, open, isPunctualFirst] of [
    ["a provider's key, begun by a punctual one", providerTarget, true],
    ["a signed key of Bybit", bybitTarget, false],
  ] as const) {
    test(`${what}, a runner ${by}: the provider lets both keys in until the overlap has passed by Vault's time`, async (t) => {
      await using target = await open(platform);
      const data = await target.prepare();
      Object.assign(data.secret.rotate, { overlap });
      const old = await sourceOf(data);
      if (!isPunctualFirst) skew(t, off);
      const waits = await run(data);
      if (isPunctualFirst) skew(t, off);
      assert.equal(waits.state, "drain", waits.waiting);
      const next = await sourceOf(data);
      assert.deepEqual([await target.accepts(data, old), await target.accepts(data, next)], [true, true]);
      assert.notDeepEqual(next, old);
      const again = await run(data);
      assert.equal(again.state, "drain");
      assert.equal(await target.accepts(data, old), true);
    });
  }
}

async function sourceOf({ model, secret }: TargetData) {
  return (await readFields(platform.root, model.vault.mounts.kv, secret.source)) ?? {};
}

async function run(data: TargetData, given: Partial<RotateOptions> = {}) {
  const { subject, close } = await targetScenario.open(data, (_, call) => call());
  try {
    return await rotate({
      ...{ ...subject, by: "keyplane.rotate", reason: "scheduled", wait: false, report: () => {} },
      ...quick,
      ...given,
    });
  } finally {
    await close();
  }
}
