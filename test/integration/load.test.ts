import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { whileAway } from "./services/away.ts";
import { type Heard, Load, noneFailed } from "./services/load.ts";
import { piece, type Told } from "./services/told.ts";

/** A second of a load: what a client tells at its end. */
function second({ mock }: TestContext, load: Load, { begun = 240, isAnswered = true } = {}): void {
  mock.timers.tick(1000);
  const accepted = isAnswered ? begun : 0;
  const acceptedIn = isAnswered ? [Math.floor(Date.now() / piece)] : [];
  const told: Told = { begun, accepted, failed: 0, connections: 0, milliseconds: [1], acceptedIn, why: [] };
  load.hear(JSON.stringify(told));
}

/** Sixty seconds of a load whose seconds 20 to 49 are otherwise. */
async function minute(t: TestContext, middle: (load: Load) => Promise<void> | void): Promise<Heard> {
  t.mock.timers.enable({ apis: ["Date"], now: 1_800_000_000_000 + 3_600_000 * minutes++ });
  const load = new Load();
  for (let count = 0; count < 20; count++) second(t, load);
  await middle(load);
  for (let count = 0; count < 10; count++) second(t, load);
  return load.take();
}
let minutes = 0;

const times = async (act: () => void) => {
  for (let count = 0; count < 30; count++) act();
};

test("a load of over 200 requests a second, each answered, is one", async (t) => {
  const heard = noneFailed(await minute(t, (load) => times(() => second(t, load))));
  assert.deepEqual(
    [heard.lasted, heard.undisturbed, heard.gap, heard.unexplained],
    [60_000, 60_000, 1000, 1000],
  );
});

test("a load that stands still, or is a smaller one, is told", async (t) => {
  const still = await minute(t, (load) => times(() => second(t, load, { begun: 1 })));
  assert.throws(() => noneFailed(still), /^AssertionError.*7230 requests begun in 60000 ms/s);
});

test("half a minute in which every request is sent again and again is an outage, though none failed in the end", async (t) => {
  const heard = await minute(t, (load) => times(() => second(t, load, { isAnswered: false })));
  assert.deepEqual([heard.failed, heard.gap], [0, 31_000]);
  assert.throws(() => noneFailed(heard), /nothing was accepted for 31000 ms beside the time of restarts/);
});

test("what restarts took is none, and no requests are wanted of who is away", async (t) => {
  const heard = await minute(t, (load) =>
    whileAway(() => times(() => second(t, load, { begun: 0, isAnswered: false }))),
  );
  assert.deepEqual([heard.undisturbed, heard.gap, heard.unexplained], [30_000, 31_000, 1000]);
  noneFailed(heard);
});
