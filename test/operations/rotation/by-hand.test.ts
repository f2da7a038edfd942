import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Secret } from "../../../model/model.ts";
import type { Sink } from "../../../operations/delivery/sink.ts";
import { resumeByHand, rotateToGiven } from "../../../operations/rotation/by-hand.ts";
import { vaultClock } from "../../../operations/rotation/clock.ts";
import { abortRotation, rotate } from "../../../operations/rotation/engine.ts";
import { readJournal } from "../../../operations/rotation/journal-store.ts";
import { ProbeError, TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { byHand } from "../../../operations/rotation/rotators/by-hand.ts";
import { historyOf } from "../../../operations/rotation/status.ts";
import { readFields, stateOf } from "../../../operations/values/kv.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { handPlace, value } from "./hand-place.ts";
import { contextOf } from "./rotator-context.ts";
import { SlackServer } from "./slack-server.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const place = (name: string, first: Fields, ...more: [typeof fetch?, Partial<Secret>?]) =>
  handPlace(bench, name, first, ...more);

test("trading-bot's webhook reaches its consumers, then gus is asked to remove the old one, and Slack's word ends it (R16)", async () => {
  await using slack = await SlackServer.start();
  const [old, next] = [slack.addWebhook(), slack.addWebhook()];
  const at = await place("trading-bot/slack-webhook", { url: old }, slack.fetch);
  const waits = await rotateToGiven(at.options, { url: next });
  assert.deepEqual(await at.held(), [{ url: next }, { url: next }]);
  assert.deepEqual(
    [waits.state, waits.isStuck, waits.waiting],
    [
      "revoke",
      true,
      "gus is asked to revoke the value before of trading-bot/slack-webhook at slack's dashboard, once it shows no use of it, then to run `keyplane rotations resume trading-bot/slack-webhook --by gus`",
    ],
  );
  slack.webhooks.delete(old);
  const done = await rotate({ ...at.options, rotator: byHand() });
  assert.equal(done.state, "done");
  assert.deepEqual(slack.messages, []);
});

test("where no API can be asked, the owner's word ends it, and the old versions are destroyed", async () => {
  const [first, next] = [
    { key: value(), secret: value() },
    { key: value(), secret: value() },
  ];
  const at = await place("titan/binance", first);
  const waits = await rotateToGiven(at.options, next);
  assert.deepEqual([waits.state, waits.isStuck], ["drain", true]);
  assert.match(
    waits.waiting ?? "",
    /ada is asked to revoke the value before of titan\/binance at binance's dashboard/,
  );
  assert.equal((await rotate({ ...at.options, rotator: byHand() })).state, "drain");
  const done = await resumeByHand(at.options, "ada");
  assert.equal(done.state, "done");
  const { journal } = await readJournal(bench, at.secret);
  assert.equal(journal?.confirmedBy, "ada");
  assert.equal(historyOf(journal)[0]?.confirmedBy, "ada");
  assert.deepEqual(await at.held(), [next, next]);
  assert.equal(await readFields(bench.vault, bench.model.vault.mounts.kv, at.secret.source, 1), undefined);
});

test("one field that is given keeps the others", async () => {
  const first = { key: value(), secret: value() };
  const at = await place("titan/binance", first);
  const secret = value();
  await rotateToGiven(at.options, { secret });
  assert.deepEqual((await at.held())[0], { key: first.key, secret });
});

test("a webhook that Slack refuses is rolled back before a consumer sees it", async () => {
  await using slack = await SlackServer.start();
  const [old, next] = [slack.addWebhook(), slack.addWebhook()];
  slack.webhooks.delete(next);
  const at = await place("trading-bot/slack-webhook", { url: old }, slack.fetch);
  const outcome = await rotateToGiven(at.options, { url: next });
  assert.deepEqual(
    [outcome.state, outcome.failure],
    ["rolled-back", "trading-bot/slack-webhook: the new value is refused by slack's dashboard"],
  );
  assert.deepEqual(await at.held(), [{ url: old }, { url: old }]);
});

for (const [what, given, message] of [
  ["the value in force", (first: Fields) => first, /what was given is the value in force/],
  ["a placeholder", () => ({ key: "changeme" }), /field key: is a placeholder/],
  ["an unknown field", () => ({ token: value() }), /takes the field\(s\) key, secret/],
] as const)
  test(`given ${what}, nothing begins`, async () => {
    const first = { key: value(), secret: value() };
    const at = await place("titan/binance", first);
    await assert.rejects(rotateToGiven(at.options, given(first)), { name: "ValueError", message });
    const { kv } = bench.model.vault.mounts;
    assert.equal((await stateOf(bench.vault, kv, at.secret.journal)).version, 0);
    assert.equal((await stateOf(bench.vault, kv, at.secret.source)).version, 1);
  });

test("what is given while another rotation is under way is not taken, and says how to end that one", async () => {
  const at = await place("titan/binance", { key: value(), secret: value() });
  await rotateToGiven(at.options, { key: value() });
  const before = await at.source();
  await assert.rejects(rotateToGiven(at.options, { key: value() }), {
    name: "ConflictError",
    message: /`keyplane rotations resume titan\/binance` or `keyplane rotations abort titan\/binance`/,
  });
  assert.deepEqual(await at.source(), before);
});

test("begun by a schedule, it waits for the owner to give a value, and `set` goes on with it", async () => {
  const at = await place("titan/binance", { key: value(), secret: value() });
  const waits = await rotate({ ...at.options, rotator: byHand() });
  assert.deepEqual(
    [waits.state, waits.isStuck, waits.waiting],
    [
      "generate",
      true,
      "ada gives the next value of titan/binance: make it at binance's dashboard, then run `keyplane set titan/binance --rotate`",
    ],
  );
  const next = { key: value(), secret: value() };
  const outcome = await rotateToGiven(at.options, next);
  assert.deepEqual([outcome.id, outcome.state], [waits.id, "drain"]);
  assert.deepEqual(await at.held(), [next, next]);
});

test("after a compromise a value that is given to a rotation that waits for one is new to everybody: the owner is asked for no second one (R21)", async () => {
  const at = await place("titan/binance", { key: value(), secret: value() });
  await rotate({ ...at.options, rotator: byHand() });
  const compromise = { ...at.options, reason: "compromise" } as const;
  const given = await rotateToGiven(compromise, { key: value(), secret: value() });
  assert.deepEqual([given.state, given.reason], ["revoke", "compromise"]);
  const done = await resumeByHand(at.options, "ada");
  assert.deepEqual([done.id, done.state, done.waiting], [given.id, "done", undefined]);
  const { journal } = await readJournal(bench, at.secret);
  assert.deepEqual([journal?.followedBy, journal?.history], [undefined, []]);
});

test("after a compromise what the owner gave before that is followed by another rotation (R21)", async () => {
  const at = await place("titan/binance", { key: value(), secret: value() });
  const given = await rotateToGiven(at.options, { key: value(), secret: value() });
  await rotate({ ...at.options, rotator: byHand(), reason: "compromise" });
  const next = await resumeByHand(at.options, "ada");
  assert.match(next.waiting ?? "", /^ada gives the next value of titan\/binance/);
  const { journal } = await readJournal(bench, at.secret);
  assert.deepEqual([journal?.state, journal?.history[0]?.id], ["generate", given.id]);
});

test("given up, the old value is back everywhere, and the owner is asked to revoke the one that was given", async () => {
  const first = { key: value(), secret: value() };
  const at = await place("titan/binance", first);
  await rotateToGiven(at.options, { key: value(), secret: value() });
  const outcome = await abortRotation({ ...at.options, rotator: byHand(), why: "hana took it back" });
  assert.match(
    outcome.waiting ?? "",
    /^ada is asked to revoke the value that was given for this rotation of titan\/binance/,
  );
  assert.deepEqual(await at.held(), [first, first]);
  assert.equal((await resumeByHand(at.options, "ada")).state, "rolled-back");
});

test("a Slack token with fewer scopes than the old one fails its probe, one with all of them does not", async () => {
  await using slack = await SlackServer.start();
  const [old, poor, good] = [value(), value(), value()];
  slack.tokens.set(old, ["chat:write", "users:read"]);
  slack.tokens.set(poor, ["chat:write"]);
  slack.tokens.set(good, ["chat:write", "users:read", "files:write"]);
  const none = async (): Promise<never> => assert.fail("no database is reached");
  const context = contextOf(bench.model, "trading-bot/alert-token", {
    change: {
      kind: "api-key",
      fields: ["token"],
      provider: { name: "slack", api: false, rate: { requests: 1000, per: 1 } },
    },
    reach: { fetch: slack.fetch, manage: none, login: none },
  });
  const rotator = byHand();
  await assert.rejects(rotator.probe(context, { token: poor }, { token: old }), (error: Error) => {
    assert.ok(error instanceof ProbeError);
    assert.match(error.message, /the new value may not: users:read$/);
    return true;
  });
  await rotator.probe(context, { token: good }, { token: old });
  await assert.rejects(rotator.verify(context, { token: old }, { token: good }), {
    name: "StillAcceptedError",
  });
  slack.tokens.delete(old);
  await rotator.verify(context, { token: old }, { token: good });
});

test("a Slack that is down or asks to wait is asked again later, and no error holds a webhook's address", async () => {
  await using slack = await SlackServer.start();
  const url = slack.addWebhook();
  const none = async (): Promise<never> => assert.fail("no database is reached");
  const reach = { fetch: slack.fetch, manage: none, login: none };
  const provider = { name: "slack", api: false, rate: { requests: 1000, per: 1 } };
  const context = contextOf(bench.model, "trading-bot/slack-webhook", { reach, change: { provider } });
  for (const status of [500, 429]) {
    slack.status = status;
    await assert.rejects(byHand().probe(context, { url }, undefined), (error: Error) => {
      assert.ok(error instanceof TargetUnavailableError);
      assert.ok(!`${error.stack}${String(error.cause)}`.includes(url.slice(-20)));
      return true;
    });
  }
});

test("a word that the owner gave before the overlap had passed is not asked for again", async () => {
  const at = await place("titan/binance", { key: value(), secret: value() }, fetch, {
    rotate: { by: "hand", overlap: 3600, onCompromise: true },
  });
  await rotateToGiven(at.options, { key: value(), secret: value() });
  const early = await resumeByHand(at.options, "ada");
  assert.match(early.waiting ?? "", /^both values are accepted until /);
  const clock = await vaultClock(bench.vault);
  const later = { ...clock, now: () => new Date(clock.now().getTime() + 3_700_000) };
  const done = await rotate({ ...at.options, rotator: byHand(), clock: later });
  assert.deepEqual([done.state, done.waiting], ["done", undefined]);
});

test("a word that was given of the old value does not stand for the new one: rolled back, it is asked for again", async () => {
  const at = await place("titan/binance", { key: value(), secret: value() }, fetch, {
    rotate: { by: "hand", overlap: 3600, onCompromise: true },
  });
  await rotateToGiven(at.options, { key: value(), secret: value() });
  await resumeByHand(at.options, "ada");
  const outcome = await abortRotation({ ...at.options, rotator: byHand(), why: "ada took it back" });
  assert.equal(outcome.state, "rolling-back");
  assert.match(outcome.waiting ?? "", /^ada is asked to revoke the value that was given for this rotation/);
});

/** A consumer of which nothing is known but that it lags. */
const lagging: Sink = {
  name: "its files",
  write: async () => false,
  reload: async () => {},
  running: async () => ({ state: "behind", version: undefined, why: "it has not read its files" }),
};

test("a word that was given while a consumer still runs the old value is not taken: once that is replaced, the owner is asked (R15)", async () => {
  const at = await place("titan/binance", { key: value(), secret: value() });
  const held = { ...at.options, sinks: () => [lagging] };
  assert.equal((await rotateToGiven(held, { key: value(), secret: value() })).state, "deliver-signers");
  const early = await resumeByHand(held, "ada");
  assert.deepEqual(
    [early.state, early.notes.at(-1)],
    [
      "deliver-signers",
      "ada's word is not taken: the old value of titan/binance was still in use. Once the rotation asks for it, say it again",
    ],
  );
  const asked = await resumeByHand(at.options, "ada");
  assert.equal(asked.state, "drain");
  assert.match(asked.waiting ?? "", /ada is asked to revoke the value before/);
  assert.equal((await readJournal(bench, at.secret)).journal?.confirmedBy, undefined);
  assert.equal((await resumeByHand(at.options, "ada")).state, "done");
});

test("on the way back the word is not taken before everybody has the old value again (R15)", async () => {
  const first = { key: value(), secret: value() };
  const at = await place("titan/binance", first);
  await rotateToGiven(at.options, { key: value(), secret: value() });
  const held = { ...at.options, sinks: () => [lagging], rotator: byHand() };
  assert.match((await abortRotation({ ...held, why: "asked" })).waiting ?? "", /does not run the old value/);
  const early = await resumeByHand(held, "ada");
  assert.match(early.notes.at(-1) ?? "", /ada's word is not taken/);
  const asked = await resumeByHand(at.options, "ada");
  assert.match(asked.waiting ?? "", /ada is asked to revoke the value that was given for this rotation/);
  assert.deepEqual(await at.held(), [first, first]);
  assert.equal((await resumeByHand(at.options, "ada")).state, "rolled-back");
});

test("a word that is given while another runner is at it reaches that one (R15)", async () => {
  const at = await place("titan/binance", { key: value(), secret: value() });
  await rotateToGiven(at.options, { key: value(), secret: value() });
  const signal = AbortSignal.timeout(30_000);
  const other = rotate({ ...at.options, rotator: byHand(), owner: "the other", wait: true, signal });
  const underWay = async () => (await readJournal(bench, at.secret)).journal?.owner === "the other";
  while (!(await underWay())) await new Promise((resolve) => setTimeout(resolve, 20));
  const told = await resumeByHand(at.options, "ada");
  assert.equal(told.busy?.owner, "the other");
  assert.equal((await other).state, "done");
  assert.equal((await readJournal(bench, at.secret)).journal?.confirmedBy, "ada");
});
