import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import type { Model, Secret, Service } from "../../../model/model.ts";
import { resumeConfirmed, rotateGiven, rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import { isUnderWay } from "../../../operations/rotation/journal.ts";
import { readJournal } from "../../../operations/rotation/journal-store.ts";
import type { Runner } from "../../../operations/rotation/runner.ts";
import { blackoutAt, boundOf, dueOf } from "../../../operations/rotation/schedule.ts";
import { historyOf } from "../../../operations/rotation/status.ts";
import { secretNamed, setValue } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { ProviderServer } from "./provider-server.ts";
import { SlackServer } from "./slack-server.ts";

// trading-bot's keys every 7 d and its webhooks and alert tokens every 30 d (R14–R16), by the entry that a CronJob calls, on
// a real Vault and a real server of keys, for as many weeks as it takes, under a clock that is moved between two runs.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const hour = 3_600_000;
const day = 24 * hour;
const isWhole = process.env.KEYPLANE_SCALE === "prove";
/** Between two runs of the CronJob: a quarter of an hour in production. */
const step = (isWhole ? 1 : 4) * hour;
const weeks = isWhole ? 13 : 5;
const jitter = 6 * 3600;

/** trading-bot's own secrets, at paths of a test's own, whose services read Vault themselves. */
function tradingBot(whole: Model, exchange: ProviderServer): Model {
  const own = `weeks-${randomBytes(4).toString("hex")}`;
  const ids = ["exchange", "slack-webhook", "alert-token"].map((name) => `trading-bot/${name}`);
  const secrets = ids.map((id): Secret => {
    const { probe: _, ...secret } = secretNamed(whole, id);
    const provider = {
      name: "exchange",
      api: true,
      address: exchange.address,
      rate: { requests: 1000, per: 1 },
    };
    return {
      ...secret,
      source: `source/${own}/${secret.name}`,
      journal: `rotation/${own}/${secret.name}`,
      evidence: `evidence/${own}/${secret.name}`,
      consumers: secret.consumers
        .filter(({ kind }) => kind === "service")
        .map((one) => ({ ...one, path: `services/${own}/${one.name}/${secret.name}` })),
      ...(id === "trading-bot/exchange" && { provider }),
    };
  });
  const services = whole.services
    .filter(({ system }) => system === "trading-bot")
    .map(({ observe: _, ...service }): Service => ({ ...service, deliver: [] }));
  const rotation = { ...whole.rotation, watch: 60, jitter, blackouts: [] };
  // Error rates are counted in real time.
  const vault = { ...whole.vault, audit: [] };
  return { ...whole, vault, secrets, services, settings: [], encryptionKeys: [], rotation };
}

test("trading-bot's key changes every 7 d and its alert token every 30 d, by --due alone, never in a blackout; the webhook's owner is asked (R14–R16)", async (t) => {
  await using exchange = await ProviderServer.start({ fields: ["key", "secret"], quota: 2 });
  await using slack = await SlackServer.start();
  const made = tradingBot(bench.model, exchange);
  const [key = assert.fail(), webhook = assert.fail(), token = assert.fail()] = made.secrets;
  let moved = 0;
  const clock = {
    now: () => new Date(Date.now() + moved),
    sleep: async (time: number) => {
      moved += time;
      exchange.options.clock = moved;
    },
  };
  const begun = clock.now();
  const firstDue = dueOf(key, 7 * 86_400, begun, jitter);
  // The first due date lies in it, whenever the test runs.
  const minute = (firstDue.getUTCHours() * 60 + firstDue.getUTCMinutes() + 23 * 60) % (24 * 60);
  const trading = {
    days: [0, 1, 2, 3, 4, 5, 6],
    from: minute,
    to: (minute + 10 * 60) % (24 * 60),
    reason: "the market is open",
  };
  const model: Model = { ...made, rotation: { ...made.rotation, blackouts: [trading] } };

  const first: [Secret, Fields][] = [
    [key, exchange.issue(["keys", "trade"]).values],
    [webhook, { url: slack.addWebhook() }],
  ];
  for (const [secret, fields] of first) {
    await setValue({ vault: bench.vault, model, by: "keyplane.rotate" }, secret, fields, () => {});
  }
  const none = async (): Promise<never> => assert.fail("there is no database");
  const ways: typeof fetch = (url, init) =>
    String(url).startsWith("https://") ? slack.fetch(url, init) : fetch(url, init);
  const reach = { manage: none, login: none, fetch: ways };
  let loggedIn = Date.now();
  let vault = bench.vault;
  const runner = async (): Promise<Runner> => {
    // As each run of a CronJob does; a token of the rotation role lives for an hour.
    if (Date.now() - loggedIn > 300_000) [vault, loggedIn] = [await bench.login(), Date.now()];
    const signal = new AbortController().signal;
    return {
      vault,
      model,
      by: "keyplane.rotate",
      report: () => {},
      signal,
      host: { runs: "/nonexistent" },
      reach,
      clock,
    };
  };
  const held: Date[] = [];
  const asked: Date[] = [];
  let given: Date | undefined;
  let runs = 0;
  for (const end = begun.getTime() + weeks * 7 * day; clock.now().getTime() < end; await clock.sleep(step)) {
    runs++;
    const rows = await rotateMany(await runner(), model.secrets, { what: "due" }, { wait: false });
    for (const row of rows) {
      assert.ok(!("error" in row), JSON.stringify(row));
      if ("held" in row) {
        assert.deepEqual([row.held.why, row.secret], [trading.reason, row.secret]);
        held.push(clock.now());
      }
      if ("left" in row) {
        const who = /^(due|overdue); gus makes it: keyplane set trading-bot\/slack-webhook --rotate$/;
        assert.match(row.left, who);
        asked.push(clock.now());
      }
    }
    // Its owner answers the day after, while the market is closed, and removes the old one once its overlap is over.
    const isOpen = blackoutAt([trading], clock.now()) !== undefined;
    const since = given ?? asked[0];
    if (since !== undefined && !isOpen && clock.now().getTime() - since.getTime() > 25 * hour) {
      await (given === undefined
        ? giveNext(await runner(), webhook, slack)
        : removeOld(await runner(), webhook, slack));
      given = given === undefined ? clock.now() : undefined;
      asked.length = 0;
    }
  }

  const pasts = async (secret: Secret) => {
    const { journal } = await readJournal({ vault, model }, secret);
    assert.ok(journal && !isUnderWay(journal), `${secret.id}: ${journal?.state}`);
    return historyOf(journal).toReversed();
  };
  const latest = step + 10 * hour;
  for (const [secret, every] of [
    [key, 7 * 86_400],
    [token, 30 * 86_400],
    [webhook, 30 * 86_400],
  ] as const) {
    assert.equal(secret.rotate.every, every);
    const all = await pasts(secret);
    let last = begun;
    for (const { outcome, reason, startedAt } of all) {
      assert.equal(outcome, "done");
      const at = new Date(startedAt);
      if (reason !== "first") {
        const due = dueOf(secret, every, last, jitter).getTime();
        const late = at.getTime() - due;
        const apart = at.getTime() - last.getTime();
        assert.ok(apart >= (every - jitter) * 1000, `${secret.id}: after ${apart / day} d`);
        const waits = secret === webhook ? 2 * latest + day : latest;
        assert.ok(
          late >= 0 && late <= waits,
          `${secret.id}: ${startedAt}, ${late / hour} h after it was due`,
        );
        assert.ok(at.getTime() - last.getTime() <= boundOf(secret) * 1000 + waits, `${secret.id}: its bound`);
        assert.equal(blackoutAt([trading], at), undefined, `${secret.id} began in a blackout: ${startedAt}`);
      }
      last = at;
    }
    // Nothing is due any more at the end.
    assert.ok(clock.now().getTime() - last.getTime() < every * 1000 + jitter * 1000 + latest + day);
    t.diagnostic(
      `${secret.id}: ${all.filter(({ reason }) => reason !== "first").length} rotations in ${weeks} weeks`,
    );
  }
  const ofKey = (await pasts(key)).length;
  const most = Math.floor((weeks * 7) / 7);
  assert.ok(ofKey >= most - 1 && ofKey <= most, `${ofKey} rotations of the key`);
  assert.equal((await pasts(webhook)).length, Math.floor((weeks * 7) / 31));
  assert.ok(held.length > 0, "no blackout held anything back");
  assert.deepEqual([exchange.live().length, exchange.keys.length], [1, 1 + ofKey]);
  t.diagnostic(`${runs} runs, ${held.length} times held back by the blackout`);
});

/** The webhook's owner makes another one. */
async function giveNext(runner: Runner, webhook: Secret, slack: SlackServer): Promise<void> {
  const [row] = await rotateGiven(runner, webhook, { url: slack.addWebhook() }, "scheduled");
  assert.ok(row && "outcome" in row && row.outcome.state === "drain", JSON.stringify(row));
}

/** The owner removes the old one, and says so. */
async function removeOld(runner: Runner, webhook: Secret, slack: SlackServer): Promise<void> {
  const [old = ""] = slack.webhooks;
  slack.webhooks.delete(old);
  const [end] = await resumeConfirmed(runner, [webhook], { wait: false, confirmedBy: "gus" });
  assert.ok(end && "outcome" in end && end.outcome.state === "done", JSON.stringify(end));
}
