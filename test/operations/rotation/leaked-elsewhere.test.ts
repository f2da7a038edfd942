import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type Bounds, type Candidate, type Place, runFleet } from "../../../operations/rotation/fleet.ts";
import { VirtualClock } from "./virtual-clock.ts";

const start = new Date("2026-11-23T10:00:00Z");
const minute = 60_000;
/** Another runner is at it until so many milliseconds after the start. */
const theirs = { until: 5 * 1000, secret: "shop/theirs", services: ["shop/api"] };

function leaked(secret: string, change: Partial<Candidate> = {}): Candidate {
  return { secret, services: ["shop/api"], since: start, urgent: true, underWay: false, ...change };
}

/** A run beside another runner's compromise; what began when, relative to the start, and what was told. */
async function beside(
  candidates: Candidate[],
  options: { concurrent?: Bounds["concurrent"]; place?: Partial<Place>; stopAt?: number } = {},
) {
  const clock = new VirtualClock(start);
  const since = () => clock.now().getTime() - start.getTime();
  const began = new Map<string, number>();
  const told: string[] = [];
  let looks = 0;
  const stop = new AbortController();
  if (options.stopAt !== undefined) void clock.sleep(options.stopAt).then(() => stop.abort());
  const { held } = await clock.run(
    runFleet({
      ...{ candidates, clock, signal: stop.signal },
      bounds: {
        concurrent: options.concurrent ?? { perService: 1, total: 8 },
        ...{ blackouts: [], providers: {} },
      },
      async elsewhere() {
        looks++;
        return since() < theirs.until ? [{ ...theirs, ...options.place }] : [];
      },
      async run({ secret }) {
        began.set(secret, since());
        await clock.sleep(minute);
      },
      waits: ({ secret, why }) => void told.push(`${secret}: ${why}`),
    }),
  );
  return { began: Object.fromEntries(began), held, told, looks, lasted: since() };
}

suite("what has leaked waits for what has leaked as well, which another runner is at, and is not left (R21)", () => {
  test("at the same service: it begins when that one is done, and says once what it waits for", async () => {
    const { began, held, told } = await beside([leaked("shop/ours")]);
    assert.deepEqual([began, held], [{ "shop/ours": 5_000 }, []]);
    assert.deepEqual(told, ["shop/ours: another rotation touches shop/api"]);
  });
  test("where no more may run at once", async () => {
    const concurrent = { perService: 1, total: 1 };
    const { began, told } = await beside([leaked("shop/ours", { services: ["shop/mail"] })], { concurrent });
    assert.deepEqual(began, { "shop/ours": 5_000 });
    assert.deepEqual(told, ["shop/ours: 1 rotations are under way"]);
  });
  test("also while another one of this run goes on", async () => {
    const other = leaked("shop/other", { services: ["shop/mail"] });
    const { began } = await beside([leaked("shop/ours"), other]);
    assert.deepEqual(began, { "shop/other": 0, "shop/ours": 5_000 });
  });
  test("until it is stopped, at once: then it is named", async () => {
    const { began, held, lasted } = await beside([leaked("shop/ours")], { stopAt: 2_500 });
    assert.deepEqual([began, lasted], [{}, 2_500]);
    assert.deepEqual(held, [{ secret: "shop/ours", why: "stopped" }]);
  });
  test("not for another service: what this run is at there is waited for without a word, and wakes whoever waits", async () => {
    const place = { services: ["shop/mail"] };
    const { began, told, looks } = await beside([leaked("shop/first"), leaked("shop/second")], { place });
    assert.deepEqual(began, { "shop/first": 0, "shop/second": minute });
    assert.deepEqual([told, looks], [[], 2]);
  });
  test("nor for a service that both touch, while what holds it is this run's own at another one", async () => {
    const concurrent = { perService: 2, total: 8 };
    const three = ["shop/a", "shop/b", "shop/c"].map((id) =>
      leaked(id, { services: id === "shop/c" ? ["shop/api", "shop/mail"] : ["shop/api"] }),
    );
    const { began, told } = await beside(three, { concurrent, place: { services: ["shop/mail"] } });
    assert.deepEqual(began, { "shop/a": 0, "shop/b": 0, "shop/c": minute });
    assert.deepEqual(told, []);
  });
  test("named alone is who would begin without it, not whoever then waits for that one", async () => {
    const { began, told } = await beside([leaked("shop/first"), leaked("shop/second")]);
    assert.deepEqual(began, { "shop/first": 5_000, "shop/second": 5_000 + minute });
    assert.deepEqual(told, ["shop/first: another rotation touches shop/api"]);
  });
  test("nothing else is waited for: a later run takes it up", async () => {
    const { began, held, told, lasted } = await beside([leaked("shop/ours", { urgent: false })]);
    assert.deepEqual([began, told, lasted], [{}, [], 0]);
    assert.deepEqual(held, [{ secret: "shop/ours", why: "another rotation touches shop/api" }]);
  });
});
