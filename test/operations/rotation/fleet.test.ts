import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  type Bounds,
  type Candidate,
  callsPerRotation,
  choose,
  paceOf,
  Queue,
  runFleet,
} from "../../../operations/rotation/fleet.ts";
import { Throttle } from "../../../operations/rotation/providers/throttle.ts";
import { peakToMean, SimulatedProvider, simulate, used } from "./simulated-fleet.ts";
import { VirtualClock } from "./virtual-clock.ts";

const start = new Date("2026-11-23T10:00:00Z"); // a Monday
const minute = 60_000;
const prove = process.env.KEYPLANE_SCALE === "prove";

function at(offset: number): Date {
  return new Date(start.getTime() + offset);
}

function candidate(secret: string, change: Partial<Candidate> = {}): Candidate {
  return { secret, services: ["shop/api"], since: start, urgent: false, underWay: false, ...change };
}

function bounds(change: Partial<Bounds> = {}): Bounds {
  return { concurrent: { perService: 1, total: 8 }, blackouts: [], providers: {}, ...change };
}

/** Runs candidates of `lasting` milliseconds each; what began when, relative to the start. */
async function run(
  candidates: Candidate[],
  options: { bounds?: Bounds; lasting?: (candidate: Candidate) => number; signal?: AbortSignal } = {},
) {
  const clock = new VirtualClock(start);
  const began = new Map<string, number>();
  const result = await clock.run(
    runFleet({
      candidates,
      bounds: options.bounds ?? bounds(),
      clock,
      signal: options.signal ?? new AbortController().signal,
      async run(one) {
        began.set(one.secret, clock.now().getTime() - start.getTime());
        await clock.sleep(options.lasting?.(one) ?? minute);
      },
    }),
  );
  return { ...result, began };
}

suite("which rotations run at once", () => {
  test("those that touch one service run one after another, others beside them", async () => {
    const { began } = await run([
      candidate("shop/a", { services: ["shop/api"] }),
      candidate("shop/b", { services: ["shop/api", "shop/worker"] }),
      candidate("shop/c", { services: ["shop/mail"] }),
    ]);
    assert.deepEqual(Object.fromEntries(began), { "shop/a": 0, "shop/c": 0, "shop/b": minute });
  });
  test("the oldest goes first, whatever its name", async () => {
    const { began } = await run([
      candidate("shop/a", { since: at(-1) }),
      candidate("shop/b", { since: at(-3) }),
      candidate("shop/c", { since: at(-2) }),
    ]);
    assert.deepEqual([...began.keys()], ["shop/b", "shop/c", "shop/a"]);
  });
  test("after a compromise or a leaver a secret goes before all others, then what is under way", async () => {
    const { began } = await run([
      candidate("shop/due", { since: at(-9) }),
      candidate("shop/resumed", { underWay: true }),
      candidate("shop/leaked", { urgent: true }),
    ]);
    assert.deepEqual([...began.keys()], ["shop/leaked", "shop/resumed", "shop/due"]);
  });
  test("what another runner has under way counts", () => {
    const elsewhere = [{ secret: "shop/b", services: ["shop/api"] }];
    const turns = { next: start, providers: {} };
    const { start: chosen, held } = choose(
      new Queue([candidate("shop/a")]),
      elsewhere,
      bounds(),
      turns,
      Infinity,
      start,
    );
    assert.deepEqual(chosen, []);
    assert.deepEqual(held, [{ secret: "shop/a", why: "another rotation touches shop/api" }]);
  });
  test("one that fails ends no other, and its error is kept", async () => {
    const clock = new VirtualClock(start);
    const failure = new Error("the target is down");
    const { ended } = await clock.run(
      runFleet({
        candidates: [candidate("shop/a"), candidate("shop/b")],
        bounds: bounds(),
        clock,
        signal: new AbortController().signal,
        run: async ({ secret }) => {
          if (secret === "shop/a") throw failure;
          return "done";
        },
      }),
    );
    assert.deepEqual(ended, [
      { secret: "shop/a", error: failure },
      { secret: "shop/b", outcome: "done" },
    ]);
  });
  test("stopped, nothing more begins, and what waited is named", async () => {
    const stop = new AbortController();
    const { began, held } = await run([candidate("shop/a"), candidate("shop/b", { since: at(1) })], {
      signal: stop.signal,
      lasting: () => {
        stop.abort();
        return minute;
      },
    });
    assert.deepEqual([...began.keys()], ["shop/a"]);
    assert.deepEqual(held, [{ secret: "shop/b", why: "stopped" }]);
  });
  test("the bounds hold at every moment and everybody has a turn, whoever needs what", async () => {
    const services = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 0, maxLength: 3 });
    const one = fc.record({
      services,
      age: fc.integer({ min: 0, max: 60 }),
      lasting: fc.integer({ min: 1, max: 30 }),
      urgent: fc.boolean(),
      underWay: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(one, { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 6 }),
        async (list, perService, total) => {
          const clock = new VirtualClock(start);
          const under: Candidate[] = [];
          const { ended } = await clock.run(
            runFleet({
              candidates: list.map((each, index) =>
                candidate(`shop/${index}`, { ...each, since: at(-each.age) }),
              ),
              bounds: bounds({ concurrent: { perService, total } }),
              clock,
              signal: new AbortController().signal,
              async run(now) {
                under.push(now);
                assert.ok(under.length <= total);
                for (const service of now.services) {
                  const touching = under.filter((other) => other.services.includes(service));
                  assert.ok(touching.length <= perService);
                }
                await clock.sleep((list[Number(now.secret.slice(5))]?.lasting ?? 1) * minute);
                under.splice(under.indexOf(now), 1);
              },
            }),
          );
          assert.deepEqual(
            ended.filter(({ error }) => error !== undefined),
            [],
          );
          assert.equal(ended.length, list.length);
        },
      ),
      { numRuns: prove ? 1000 : 50 },
    );
  });
});

suite("nobody starves", () => {
  test("one that needs two busy services gets both once it has waited, although younger ones want each", async () => {
    const old = { since: at(-60 * minute) };
    const young = Array.from({ length: 40 }, (_, index) =>
      candidate(`shop/young-${String(index).padStart(2, "0")}`, { services: [index % 2 === 0 ? "a" : "b"] }),
    );
    const { began } = await run(
      [
        candidate("shop/first-a", { services: ["a"], since: at(-70 * minute) }),
        candidate("shop/first-b", { services: ["b"], since: at(-70 * minute) }),
        candidate("shop/both", { services: ["a", "b"], ...old }),
        ...young,
      ],
      { lasting: ({ services: [service] }) => (service === "a" ? 7 * minute : 10 * minute) },
    );
    assert.equal(began.get("shop/both"), 10 * minute);
  });
  test("one that has not waited yet lets younger ones pass, so that no place is idle", async () => {
    const { began } = await run(
      [
        candidate("shop/a", { services: ["a"], since: at(-3) }),
        candidate("shop/both", { services: ["a", "b"], since: at(-2) }),
        candidate("shop/b", { services: ["b"], since: at(-1) }),
      ],
      { lasting: () => 10 * minute },
    );
    assert.deepEqual(Object.fromEntries(began), { "shop/a": 0, "shop/b": 0, "shop/both": 10 * minute });
  });
});

suite("times in which nothing begins", () => {
  const blackouts = [{ days: [1], from: 10 * 60, to: 12 * 60, reason: "Monday's release" }];
  test("nothing begins; what is under way goes on, and a compromise does not wait", async () => {
    const { began, held } = await run(
      [
        candidate("shop/due", { services: ["a"] }),
        candidate("shop/resumed", { services: ["b"], underWay: true }),
        candidate("shop/leaked", { services: ["c"], urgent: true }),
      ],
      { bounds: bounds({ blackouts }) },
    );
    assert.deepEqual([...began.keys()].sort(), ["shop/leaked", "shop/resumed"]);
    assert.deepEqual(held, [{ secret: "shop/due", why: "Monday's release", until: at(120 * minute) }]);
  });
  test("one that begins while others still run leaves the rest for the next time", async () => {
    const before = [{ days: [1], from: 10 * 60 + 30, to: 12 * 60, reason: "Monday's release" }];
    const list = [candidate("shop/a", { since: at(-2) }), candidate("shop/b", { since: at(-1) })];
    const { began, held } = await run(list, {
      bounds: bounds({ blackouts: before }),
      lasting: () => 40 * minute,
    });
    assert.deepEqual([...began.keys()], ["shop/a"]);
    assert.deepEqual(
      held.map(({ secret, why }) => [secret, why]),
      [["shop/b", "Monday's release"]],
    );
  });
});

test("what has leaked begins at once: no older one, pace, rate, blackout or rotation of another runner holds it back, but what has leaked as well (R21)", async () => {
  const others = { urgent: false, underWay: true, since: at(-60 * minute) };
  const leaked = { urgent: true, services: ["shop/api"], provider: "exchange" };
  const tight = bounds({
    concurrent: { perService: 1, total: 1 },
    blackouts: [{ days: [1], from: 0, to: 24 * 60 - 1, reason: "Monday's release" }],
    providers: { exchange: { calls: 1, interval: 3600, perRotation: 10 } },
  });
  const elsewhere = async () => [{ secret: "shop/elsewhere", services: ["shop/api"], yields: true }];
  const clock = new VirtualClock(start);
  const began: [string, number][] = [];
  const { held } = await clock.run(
    runFleet({
      candidates: [
        candidate("shop/due"),
        candidate("shop/resumed", others),
        candidate("shop/first", { ...leaked, since: at(-2) }),
        candidate("shop/second", { ...leaked, since: at(-1) }),
      ],
      ...{ bounds: tight, clock, elsewhere, signal: new AbortController().signal },
      async run({ secret }) {
        began.push([secret, clock.now().getTime() - start.getTime()]);
        await clock.sleep(minute);
      },
    }),
  );
  assert.deepEqual(began, [
    ["shop/first", 0],
    ["shop/second", minute],
  ]);
  assert.deepEqual(
    held.map(({ secret, why }) => [secret, why]),
    [
      ["shop/resumed", "1 rotations are under way"],
      ["shop/due", "1 rotations are under way"],
    ],
  );
});

suite("many that fall due at once are spread", () => {
  test("as slowly as lets each begin in its time", () => {
    const list = Array.from({ length: 100 }, (_, index) =>
      candidate(`shop/${index}`, { latest: at(3600_000) }),
    );
    assert.equal(paceOf(list, start), 100 / 3600);
    assert.equal(paceOf([...list, candidate("shop/soon", { latest: at(10_000) })], start), 0.1);
  });
  test("without any pace where one is late already", () => {
    assert.equal(paceOf([candidate("shop/late", { latest: at(-1) })], start), Infinity);
  });
  test("no more than may run at once begin at once", async () => {
    const list = ["a", "b", "c"].map((name) =>
      candidate(`shop/${name}`, { services: [name], latest: at(3600_000) }),
    );
    assert.deepEqual([...(await run(list)).began.values()], [0, 0, 0]);
  });
  test("10,000 due at one moment: peak ÷ mean ≤ 1.2 over the day that they have, all of them in it", async () => {
    const size = {
      secrets: prove ? 10_000 : 2_000,
      services: 1_000,
      spread: 0,
      within: 86_400,
      providers: 0,
    };
    const rate = { calls: 600, interval: 60, perRotation: callsPerRotation };
    const seen = await simulate({ ...size, rate, concurrent: { perService: 1, total: 50 } });
    assert.equal(seen.ends.length, size.secrets);
    const ratio = peakToMean(seen.starts, prove ? 300_000 : 1_800_000);
    assert.ok(ratio <= 1.2, `peak ÷ mean is ${ratio}`);
    const lasted = Math.max(...seen.starts) - Math.min(...seen.starts);
    assert.ok(lasted >= 86_400_000 * 0.9, `all began within ${lasted / 3_600_000} h`);
    assert.ok(seen.longestWait <= 86_400_000, `one waited ${seen.longestWait / 3_600_000} h`);
    assert.ok(seen.most.total <= 50 && seen.most.perService <= 1);
  });
});

suite("the rate that a provider allows", () => {
  test("all due at once: at least 60 % of the rate is used, not one call is throttled, peak ÷ mean ≤ 1.2", async () => {
    const rate = { calls: 600, interval: 60, perRotation: callsPerRotation };
    const size = { secrets: prove ? 10_000 : 1_500, services: 1_000, spread: 0, within: 600, providers: 1 };
    const { providers, ends } = await simulate({ ...size, rate, concurrent: { perService: 1, total: 500 } });
    const [provider] = providers;
    assert.ok(provider !== undefined);
    assert.equal(ends.length, size.secrets);
    assert.equal(provider.throttled, 0);
    assert.ok(used(provider, rate) >= 0.6, `used ${used(provider, rate)}`);
    const ratio = peakToMean(provider.times, 60_000);
    assert.ok(ratio <= 1.2, `peak ÷ mean is ${ratio}`);
  });
  test("calls beyond it wait for their turn, whatever the provider's bound", async () => {
    const sizes = fc.record({
      calls: fc.integer({ min: 1, max: 50 }),
      interval: fc.integer({ min: 1, max: 60 }),
      wanted: fc.integer({ min: 1, max: 120 }),
    });
    await fc.assert(
      fc.asyncProperty(sizes, async ({ calls, interval, wanted }) => {
        const clock = new VirtualClock(start);
        const time = {
          now: () => clock.now().getTime(),
          sleep: (milliseconds: number, signal: AbortSignal) => clock.sleep(milliseconds, signal),
        };
        const throttle = new Throttle({ requests: calls, per: interval, concurrent: 4 }, time);
        const provider = new SimulatedProvider({ calls, interval });
        const { signal } = new AbortController();
        const one = () => throttle.run(signal, async () => provider.call(clock.now().getTime()));
        await clock.run(Promise.all(Array.from({ length: wanted }, one)));
        assert.equal(provider.times.length, wanted);
        assert.equal(provider.throttled, 0);
      }),
      { numRuns: prove ? 1000 : 50 },
    );
  });
  test("one provider that must wait holds up no rotation of another", async () => {
    const rate = { calls: 6, interval: 60, perRotation: 6 };
    const list = ["x", "x", "y"].map((provider, index) =>
      candidate(`shop/${index}`, { services: [String(index)], provider }),
    );
    const { began } = await run(list, { bounds: bounds({ providers: { x: rate, y: rate } }) });
    assert.deepEqual(Object.fromEntries(began), { "shop/0": 0, "shop/2": 0, "shop/1": 75_000 });
  });
});
