import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Model, Secret } from "../../../model/model.ts";
import { abortRotation, type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import { type Demo, openBench, type RotationBench } from "./bench.ts";
import { fakeRotator } from "./fake.ts";
import { slow as overlap } from "./quick.ts";
import { modelWith, World } from "./world.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** What the catalogue says of where a target is. */
interface Place {
  secret: Partial<Secret>;
  database?: string;
}

const user = { database: "titan/ledger", user: "orders", memberOf: "orders", logins: ["a", "b"] };
const natsAt = (server: string): Place => ({
  secret: { nats: { servers: [server], usersFile: "/etc/nats/users.conf", pidFile: "/run/nats.pid" } },
});
const exchangeAt = (address: string): Place => ({
  secret: { provider: { name: "exchange", api: true, address } },
});

const targets: [string, Place, Place, RegExp][] = [
  [
    "NATS server",
    natsAt("nats://old:4222"),
    natsAt("nats://new:4222"),
    /nats:\/\/old:4222.*nats:\/\/new:4222/,
  ],
  [
    "database",
    { secret: { databaseUser: user }, database: "old" },
    { secret: { databaseUser: user }, database: "new" },
    /old:\d+\/\w+.*new:\d+\/\w+/,
  ],
  [
    "provider",
    exchangeAt("https://old.example"),
    exchangeAt("https://new.example"),
    /https:\/\/old\.example.*https:\/\/new\.example/,
  ],
];

/** The demo's secret and model, with its target at a place. */
function at(demo: Demo, { secret: change, database }: Place): { secret: Secret; model: Model } {
  const secret: Secret = { ...demo.secret, ...change };
  const model = modelWith(demo.model, secret);
  if (database === undefined) return { secret, model };
  const databases = model.databases.map((one) => ({ ...one, host: database }));
  return { secret, model: { ...model, databases } };
}

/** Goes on where the catalogue has the target now; no overlap is left. */
function options(demo: Demo, place: Place, more: Partial<RotateOptions> = {}): RotateOptions {
  return demo.options({ wait: false, ...at(demo, place), ...more });
}

/** Up to where both values are accepted, for a day. */
async function drained(demo: Demo, place: Place): Promise<void> {
  const { secret, model } = at(demo, { ...place, secret: { ...place.secret, ...overlap } });
  assert.equal((await rotate(demo.options({ wait: false, secret, model }))).state, "drain");
}

/** Another target, which knows no value of anybody. */
async function other(t: { after(end: () => Promise<void>): void }) {
  const world = new World("password");
  const rotator = fakeRotator(await world.start());
  t.after(() => world.stop());
  return { world, rotator };
}

for (const [what, old, now, names] of targets) {
  suite(`a ${what} that the catalogue has elsewhere while a rotation is under way (R26)`, () => {
    test("is asked for nothing where it knows neither value, and the rotation says so; put back, it ends", async (t) => {
      const demo = await bench.demo(t, "password", ["reader"]);
      await drained(demo, old);
      const live = [...demo.world.accepted.keys()];
      const left = await demo.left();
      const { world, rotator } = await other(t);
      for (const reason of ["scheduled", "compromise"] as const) {
        const outcome = await rotate(options(demo, now, { rotator, reason }));
        assert.deepEqual([outcome.state, outcome.isStuck], ["drain", true]);
        assert.match(outcome.waiting ?? "", names);
        assert.match(outcome.waiting ?? "", /put password-\d+\/key back as it was in the catalogue/);
      }
      const back = await abortRotation({ ...options(demo, now, { rotator }), why: "asked" });
      assert.deepEqual([back.state, back.isStuck], ["rolling-back", true]);
      assert.deepEqual(world.events, []);
      assert.deepEqual([...demo.world.accepted.keys()], live);
      assert.deepEqual(await demo.left(), left);
      // The compromise's own rotation follows the way back.
      assert.equal((await rotate(options(demo, old, { wait: true }))).state, "done");
      assert.equal(demo.world.accepted.size, 1);
      for (const value of live) assert.equal(demo.world.accepted.has(value), false);
      assert.deepEqual(demo.world.violations, []);
    });

    test("is the same one where it accepts the new value: the rotation ends there and notes the other place", async (t) => {
      const demo = await bench.demo(t, "password", ["reader"]);
      await drained(demo, old);
      const outcome = await rotate(options(demo, now));
      assert.equal(outcome.state, "done");
      assert.match(outcome.notes.join(), names);
      assert.equal(demo.world.accepted.size, 1);
      // Asked once, for all that follow.
      assert.deepEqual(outcome.notes.filter((note) => /accepts its value/.test(note)).length, 1);
      assert.deepEqual(demo.world.violations, []);
    });
  });
}

test("what a person revokes is revoked where that person knows: nothing is said to have been accepted (R26)", async (t) => {
  const demo = await bench.demo(t, "password", ["reader"]);
  const byHand = { by: "hand", overlap: 0, onCompromise: true } as const;
  const [old, now] = [exchangeAt("https://old.example"), exchangeAt("https://new.example")];
  await drained(demo, old);
  const outcome = await rotate(options(demo, { secret: { ...now.secret, rotate: byHand } }));
  assert.equal(outcome.state, "done");
  assert.doesNotMatch(outcome.notes.join(), /its target was/);
});

suite("a target that was put back to a time before the rotation, elsewhere (R26)", () => {
  const [old, now] = [natsAt("nats://old:4222"), natsAt("nats://new:4222")];

  test("has the old value alone: nothing is taken for revoked, and a person may go back there", async (t) => {
    const demo = await bench.demo(t, "password", ["reader"]);
    const { password = "" } = await demo.fields();
    await drained(demo, old);
    const { world, rotator } = await other(t);
    world.accepted.set(password, "before");
    const outcome = await rotate(options(demo, now, { rotator }));
    assert.deepEqual([outcome.state, outcome.isStuck], ["drain", true]);
    assert.match(
      outcome.waiting ?? "",
      /which knows the old value alone.*keyplane rotations abort password-/,
    );
    const back = await abortRotation({ ...options(demo, now, { rotator, wait: true }), why: "asked" });
    assert.equal(back.state, "rolled-back");
    assert.deepEqual([...world.accepted.keys()], [password]);
    assert.match(back.notes.join(), /nothing is revoked at the one before/);
  });

  test("is the one that a rotation goes on with where nothing was staged yet", async (t) => {
    const demo = await bench.demo(t, "password", ["reader"]);
    const { password = "" } = await demo.fields();
    const stop = new AbortController();
    const report: RotateOptions["report"] = ({ step }) => {
      if (step === "stage") stop.abort();
    };
    await rotate(options(demo, old, { report, signal: stop.signal })).catch(() => {});
    assert.equal((await demo.journal()).state, "stage");
    const { world, rotator } = await other(t);
    world.accepted.set(password, "before");
    assert.equal((await rotate(options(demo, now, { rotator }))).state, "done");
    assert.deepEqual([...world.accepted.keys()], [(await demo.fields()).password]);
  });

  test("does not hold up a rotation that has made nothing there", async (t) => {
    const demo = await bench.demo(t, "hmac", ["signer", "listener"]);
    const { discard: _, ...down } = { ...demo.subject.rotator, create: async () => assert.fail("away") };
    const begun = rotate(options(demo, old, { rotator: down }));
    await assert.rejects(begun, /away/);
    assert.equal((await demo.journal()).state, "generate");
    const { discard: __, ...rotator } = demo.subject.rotator;
    const outcome = await rotate(options(demo, now, { rotator }));
    assert.deepEqual(
      [outcome.state, outcome.notes.filter((note) => /its target was/.test(note))],
      ["done", []],
    );
  });
});
