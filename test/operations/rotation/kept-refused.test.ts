import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { keptId } from "../../../model/kept-names.ts";
import { abortRotation, rotate } from "../../../operations/rotation/engine.ts";
import { evidenceOf, refusal } from "../../../operations/rotation/evidence.ts";
import { readJournal } from "../../../operations/rotation/journal-store.ts";
import { type Facts, standingOf } from "../../../operations/rotation/schedule.ts";
import { historyOf } from "../../../operations/rotation/status.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { setValue } from "../../../operations/values/set.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { exchangeRotation } from "./exchange-rotation.ts";
import { ProviderServer } from "./provider-server.ts";

// A provider ends the key that took another one's place before that other one is revoked.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** trading-bot's exchange key, rotated to where the old key would be revoked and the provider does not answer. */
async function atRevoke(server: ProviderServer, reason: "scheduled" | "compromise" = "scheduled") {
  const { secret, first, options } = await exchangeRotation(bench, server, { reason });
  const { kv } = bench.model.vault.mounts;
  let isAway = true;
  server.fault = (name) =>
    isAway && name === "DELETE /v1/keys/ID" ? { kind: "status", status: 500 } : undefined;
  assert.equal((await rotate(options)).state, "revoke");
  isAway = false;
  const [, next] = server.live();
  assert.ok(next !== undefined);
  const held = async () => (await readFields(bench.server.root, kv, secret.consumers[0]?.path ?? ""))?.key;
  return { secret, options, first, next, held };
}

for (const reason of ["scheduled", "compromise"] as const)
  test(`the new key is refused and the old one accepted (${reason}): everybody gets the old one back, and the next rotation replaces it (R15)`, async () => {
    await using server = await ProviderServer.start({ fields: ["key", "secret"], quota: 3 });
    const at = await atRevoke(server, reason);
    at.next.isLive = false;
    const back = await rotate({ ...at.options, reason: "scheduled" });
    assert.equal(back.state, "rolled-back", back.waiting);
    assert.match(back.failure ?? "", /exchange refuses the new value and accepts the old one/);
    assert.equal(await at.held(), at.first.values.key);
    assert.equal(at.first.isLive, true);
    const again = await rotate(at.options);
    assert.equal(again.state, "done", again.waiting);
    assert.deepEqual(
      server.live().map(({ values }) => values.key),
      [await at.held()],
    );
  });

test("both keys are refused: the rotation ends with a finding that says how it heals, and what the next one advises is taken (R15)", async () => {
  await using server = await ProviderServer.start({ fields: ["key", "secret"], quota: 3 });
  const { vault, model } = bench;
  const at = await atRevoke(server);
  Object.assign(at.first, { isLive: false });
  at.next.isLive = false;
  const end = await rotate(at.options);
  assert.deepEqual([end.state, end.waiting], ["done", undefined]);
  assert.match(
    end.keptRefused ?? "",
    /^exchange refuses the new value and the old one.*`keyplane set trading-bot\/exchange`/,
  );
  const { journal } = await readJournal({ vault, model }, at.secret);
  assert.ok(journal);
  const of = {
    environment: "staging",
    secret: at.secret,
    commit: "c0ffee",
    lasts: 60,
    by: "keyplane.rotate",
  };
  const now = new Date();
  const expected = { ...of, secret: keptId(at.secret), version: 2, healthyFor: 0, now };
  const refused = refusal(evidenceOf(journal, of), true, expected);
  assert.equal(refused?.case, "unhealthy");
  const standing = (version: number) =>
    standingOf(at.secret, { version, versions: { [version]: now }, journal }, model.rotation, now);
  assert.deepEqual([standing(2).isRefused, standing(2).why], [true, end.keptRefused]);
  assert.equal(standing(3).isRefused, undefined);
  const next = await rotate(at.options);
  assert.equal(next.state, "generate");
  assert.ok(
    next.waiting?.endsWith(
      "run `keyplane rotations abort trading-bot/exchange`, then give one with `keyplane set trading-bot/exchange`",
    ),
    next.waiting,
  );
  assert.equal((await abortRotation({ ...at.options, why: "asked" })).state, "rolled-back");
  const anew = server.issue(["keys", "trade"]);
  await setValue({ vault, model, by: "gus" }, at.secret, anew.values, () => {});
  const healed = await rotate(at.options);
  assert.deepEqual([healed.state, healed.keptRefused], ["done", undefined]);
  // Of the rotations that have ended it is told for good.
  const past = historyOf((await readJournal({ vault, model }, at.secret)).journal);
  assert.deepEqual(
    past.map(({ keptRefused }) => keptRefused).filter((why) => why !== undefined),
    [end.keptRefused],
  );
});

/** Both keys live on, and the provider lets nobody in for longer than a rotation waits: it ends as a finding. */
async function afterRefusal(server: ProviderServer) {
  const at = await atRevoke(server);
  server.fault = () => ({ kind: "status", status: 401 });
  const end = await rotate(at.options);
  server.fault = () => undefined;
  assert.equal(end.state, "done");
  const journal = async () => (await readJournal(bench, at.secret)).journal;
  const standing = async () => {
    const facts = { version: 3, versions: { 3: new Date() }, journal: await journal() };
    return standingOf(at.secret, facts as Facts, bench.model.rotation, new Date());
  };
  return { ...at, end, journal, standing };
}

test("keys that nobody could revoke are remembered by their ids and named, and the next rotation revokes them (R15)", async () => {
  await using server = await ProviderServer.start({ fields: ["key", "secret"], quota: 4 });
  const { secret, options, first, next, end, journal, standing } = await afterRefusal(server);
  assert.ok(first.isLive && next.isLive);
  const owedKeys = [first, next].map(({ id }) => ({ id, provider: "exchange" }));
  assert.deepEqual((await journal())?.unrevoked, owedKeys);
  assert.match(end.keptRefused ?? "", new RegExp(`${first.id} and ${next.id} may still live there`));
  const anew = server.issue(["keys", "trade"]);
  await setValue({ ...bench, by: "gus" }, secret, anew.values, () => {});
  const owed = await standing();
  assert.deepEqual(owed.unrevoked, owedKeys);
  assert.match(owed.why, new RegExp(`exchange's keys ${first.id} and ${next.id} may still live`));
  const healed = await rotate(options);
  assert.equal(healed.state, "done", healed.waiting);
  assert.equal(server.live().length, 1);
  assert.equal((await journal())?.unrevoked, undefined);
  assert.equal((await standing()).unrevoked, undefined);
});

test("where only the provider was ill, the key in force stays, and the next rotation revokes the one before it (R15)", async () => {
  await using server = await ProviderServer.start({ fields: ["key", "secret"], quota: 4 });
  const { options, held, journal } = await afterRefusal(server);
  assert.equal((await rotate(options)).state, "done");
  assert.deepEqual(
    server.live().map(({ values }) => values.key),
    [await held()],
  );
  assert.equal((await journal())?.unrevoked, undefined);
});

test("a key that cannot be revoked stays owed, and holds up no rotation (R15)", async () => {
  await using server = await ProviderServer.start({ fields: ["key", "secret"], quota: 5 });
  const { options, first, journal } = await afterRefusal(server);
  server.locked = first.id;
  assert.equal((await rotate(options)).state, "done");
  assert.deepEqual((await journal())?.unrevoked, [{ id: first.id, provider: "exchange" }]);
  server.locked = undefined;
  assert.equal((await rotate(options)).state, "done");
  assert.deepEqual([(await journal())?.unrevoked, first.isLive], [undefined, false]);
});

test("everything is refused for a moment: the old key is revoked once the provider answers again, and nothing is found (R15)", async () => {
  await using server = await ProviderServer.start({ fields: ["key", "secret"], quota: 3 });
  const at = await atRevoke(server);
  let refused = 0;
  server.fault = () => (++refused <= 6 ? { kind: "status", status: 401 } : undefined);
  const end = await rotate(at.options);
  assert.deepEqual([end.state, end.keptRefused], ["done", undefined], end.waiting);
  assert.ok(refused > 6);
  assert.deepEqual([at.first.isLive, at.next.isLive], [false, true]);
});
