import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { boundsOf } from "../../../operations/rotation/fleet-runner.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import { type Facts, standingOf } from "../../../operations/rotation/schedule.ts";
import { candidatesOf, reasonOf, type Status, type Wanted } from "../../../operations/rotation/status.ts";

const model = derive(await loadCatalogue("catalogue"), "production");
const now = new Date("2026-11-23T10:00:00Z");
const day = 24 * 3_600_000;
const ago = (time: number) => new Date(now.getTime() - time);

const under: Journal = {
  state: "drain",
  id: "r",
  reason: "scheduled",
  owner: "another",
  leaseUntil: ago(day / 2).toISOString(),
  attempt: 1,
  from: 1,
  to: 2,
  startedAt: ago(day).toISOString(),
  since: ago(day).toISOString(),
  skipped: [],
  history: [],
};

/** A secret of the catalogue whose value is so old (days). */
function status(id: string, age: number, journal?: Partial<Journal>): Status {
  const secret = model.secrets.find((one) => one.id === id);
  if (secret === undefined) throw new Error(`the catalogue has no ${id}`);
  const version = age < 0 ? 0 : journal === undefined ? 1 : 2;
  const facts: Facts = {
    version,
    versions: { [version]: ago(age * day) },
    ...(journal && { journal: { ...under, ...journal } }),
  };
  const standing = standingOf(secret, facts, model.rotation, now);
  return { secret, standing, version, ...(facts.journal && { journal: facts.journal }) };
}

function chosen(states: Status[], wanted: Wanted) {
  const { candidates, left } = candidatesOf(states, wanted, model.rotation.jitter, now);
  return { candidates: candidates.map(({ secret }) => secret), left: left.map(({ secret }) => secret) };
}

const compromise: Wanted = { what: "these", reason: "compromise" };

suite("what a run rotates", () => {
  const states = [
    status("trading-bot/exchange", 8), // every 7 d
    status("titan/hmac", 3), // every 30 d
    status("titan/binance", 200), // by hand
    status("solo/secret-key", 3),
    status("titan/nats", 20, { notBefore: ago(60_000).toISOString() }), // its overlap has passed
    status("soma/auth-internal-token", 20, { notBefore: ago(-day).toISOString() }), // it has not
    status("titan/ledger-titan-brain", -1), // a machine makes its first value
    status("soma/openai", -1), // a person does
  ];
  test("--due: what is due, what can go on, and first values that a machine makes; a person's is named", () => {
    assert.deepEqual(chosen(states, { what: "due" }), {
      candidates: ["trading-bot/exchange", "titan/nats", "titan/ledger-titan-brain"],
      left: ["titan/binance"],
    });
  });
  test("by name: due or not; only what a person makes is left", () => {
    assert.deepEqual(chosen(states, { what: "these", reason: "scheduled" }), {
      candidates: [
        "trading-bot/exchange",
        "titan/hmac",
        "solo/secret-key",
        "titan/nats",
        "soma/auth-internal-token",
        "titan/ledger-titan-brain",
      ],
      left: ["titan/binance", "soma/openai"],
    });
  });
  test("resume: what is under way and can go on, and nothing else", () => {
    assert.deepEqual(chosen(states, { what: "under way" }), { candidates: ["titan/nats"], left: [] });
  });
  test("after a compromise nothing waits for its turn: all are urgent", () => {
    const { candidates } = candidatesOf(states, compromise, 3600, now);
    assert.equal(candidates.length, 6);
    assert.ok(candidates.every(({ urgent }) => urgent));
  });
  test("what a compromise has left to be done again goes first, whoever runs and whatever is due (R21)", () => {
    for (const state of ["done", "rolled-back"] as const) {
      const owing = [status("titan/hmac", 1, { state, followedBy: "compromise" })];
      for (const wanted of [{ what: "due" }, { what: "under way" }] as const) {
        const { candidates } = candidatesOf(owing, wanted, 3600, now);
        assert.deepEqual(
          candidates.map(({ secret, urgent, underWay }) => [secret, urgent, underWay]),
          [["titan/hmac", true, true]],
        );
      }
      assert.equal(owing[0]?.standing.state, "due");
      assert.match(owing[0]?.standing.why ?? "", /^another rotation follows: compromise was told while/);
    }
  });
  test("what may have leaked and is in force again is held back and then goes first, before it is due; not where a person asked for the way back, or has set another (R21)", () => {
    const leaked = (hours: number, more: Partial<Journal> = {}, id = "titan/hmac") =>
      status(id, 1, {
        ...{ state: "rolled-back", reason: "compromise", failure: "the probe failed", ...more },
        since: ago(hours * 3_600_000).toISOString(),
      });
    for (const id of ["titan/hmac", "solo/encryption-key"]) {
      const { state, why } = leaked(0.5, {}, id).standing;
      assert.deepEqual([state, why], ["held back", "rolled back: the probe failed"]);
      assert.deepEqual(chosen([leaked(0.5, {}, id)], { what: "due" }), { candidates: [], left: [id] });
      const later = leaked(1, {}, id);
      assert.equal(later.standing.state, "due");
      assert.equal(
        later.standing.why,
        "what may have leaked is in force: the rotation after a compromise was rolled back: the probe failed",
      );
      const { candidates } = candidatesOf([later], { what: "due" }, 3600, now);
      assert.deepEqual(
        candidates.map(({ secret, urgent, underWay }) => [secret, urgent, underWay]),
        [[id, true, false]],
      );
    }
    for (const more of [{ abort: "ada asked for it" }, { from: 0, to: 1 }, { reason: "scheduled" }] as const)
      assert.equal(leaked(1, more).standing.state, "on time");
    const { state, why } = leaked(1, {}, "titan/binance").standing;
    assert.deepEqual([state, why.split(":")[0]], ["by hand", "what may have leaked is in force"]);
  });
  test("what may have leaked and is in force again goes first with the reason that it had, also where somebody names it without one (R21)", () => {
    const facts = status("titan/hmac", 1, {
      state: "rolled-back",
      reason: "leaver",
      failure: "the probe failed",
    });
    const named = (reason: "scheduled" | "compromise") => ({ what: "these", reason }) as const;
    assert.deepEqual(
      [reasonOf(facts, named("scheduled")), reasonOf(facts, named("compromise"))],
      ["leaver", "compromise"],
    );
    const { candidates } = candidatesOf([facts], named("scheduled"), 3600, now);
    assert.deepEqual(
      candidates.map(({ urgent }) => urgent),
      [true],
    );
    const byHand = status("titan/binance", 1, { state: "rolled-back", reason: "leaver" });
    assert.match(
      candidatesOf([byHand], named("scheduled"), 3600, now).left[0]?.why ?? "",
      /set titan\/binance --rotate --reason leaver$/,
    );
  });
  test("one that was rolled back lately waits on a schedule, and not when someone names it", () => {
    const failed = [status("titan/hmac", 40, { state: "rolled-back", since: now.toISOString(), to: 2 })];
    assert.deepEqual(chosen(failed, { what: "due" }), { candidates: [], left: ["titan/hmac"] });
    assert.deepEqual(chosen(failed, { what: "these", reason: "scheduled" }).candidates, ["titan/hmac"]);
  });
  test("a first value that was rolled back is tried again after an hour as any other, and at once when someone names it", () => {
    const failed = (hours: number) =>
      status("titan/ledger-titan-brain", -1, {
        ...{ state: "rolled-back", reason: "first", from: 0, to: 1, failure: "the probe failed" },
        since: ago(hours * 3_600_000).toISOString(),
      });
    const { state, why, until } = failed(0.5).standing;
    assert.deepEqual([state, why, until], ["held back", "rolled back: the probe failed", ago(-1_800_000)]);
    assert.deepEqual(chosen([failed(0.5)], { what: "due" }), {
      candidates: [],
      left: ["titan/ledger-titan-brain"],
    });
    assert.deepEqual(chosen([failed(1)], { what: "due" }).candidates, ["titan/ledger-titan-brain"]);
    const named: Wanted = { what: "these", reason: "scheduled" };
    assert.deepEqual(chosen([failed(0.5)], named).candidates, ["titan/ledger-titan-brain"]);
  });
  test("a first value that only a person has waits for nobody else, whatever was rolled back", () => {
    const { standing } = status("soma/openai", -1, { state: "rolled-back", since: now.toISOString() });
    assert.deepEqual([standing.state, standing.why], ["no value", "nobody has set it yet: keyplane set"]);
  });
  test("a candidate begins before its bound, touches its services alone and calls its provider", () => {
    const [candidate] = candidatesOf(
      [status("trading-bot/exchange", 8)],
      { what: "due" },
      3600,
      now,
    ).candidates;
    assert.deepEqual(candidate?.services, ["trading-bot/bot"]);
    assert.equal(candidate?.provider, "exchange");
    const { due } = status("trading-bot/exchange", 8).standing;
    assert.equal(candidate?.latest?.getTime(), (due?.getTime() ?? 0) + 3_600_000);
    const webhook = status("trading-bot/alert-token", 179.99);
    const [late] = candidatesOf([webhook], { what: "due" }, 86_400 * 30, now).candidates;
    assert.ok((late?.latest?.getTime() ?? Infinity) <= (webhook.standing.bound?.getTime() ?? 0));
  });
});

test("bounds are the catalogue's: at once per service and in all, blackouts, the rates of providers that tell one", () => {
  const secret = model.secrets.find(({ id }) => id === "trading-bot/exchange");
  if (secret?.provider === undefined) throw new Error("trading-bot/exchange has no provider");
  const rated = { ...secret, provider: { ...secret.provider, rate: { requests: 300, per: 60 } } };
  assert.deepEqual(boundsOf(model, [rated]), {
    concurrent: { perService: 1, total: 8 },
    blackouts: model.rotation.blackouts,
    providers: { exchange: { calls: 300, interval: 60, perRotation: 11 } },
  });
});
