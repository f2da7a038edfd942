import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { kinds } from "../../../model/kinds.ts";
import type { RotationSettings, Secret, SecretKind } from "../../../model/model.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import {
  blackoutAt,
  boundOf,
  dueOf,
  type Facts,
  lastRotation,
  standingOf,
} from "../../../operations/rotation/schedule.ts";

const production = derive(await loadCatalogue("catalogue"), "production");
const settings = { jitter: 3600, watch: 300 };
const hour = 3_600_000;
const day = 24 * hour;
const start = new Date("2026-11-02T10:00:00Z");
const runs = process.env.KEYPLANE_SCALE === "prove" ? 10_000 : 500;

function named(id: string): Secret {
  const secret = production.secrets.find((one) => one.id === id);
  if (secret === undefined) throw new Error(`the catalogue has no ${id}`);
  return secret;
}

function at(offset: number): Date {
  return new Date(start.getTime() + offset);
}

/** Written once, at `start`. */
const written: Facts = { version: 1, versions: { 1: start } };

function journal(change: Partial<Journal>): Journal {
  return {
    state: "done",
    id: "r1",
    reason: "scheduled",
    owner: "test",
    leaseUntil: start.toISOString(),
    attempt: 1,
    from: 1,
    to: 2,
    startedAt: start.toISOString(),
    since: start.toISOString(),
    skipped: [],
    history: [],
    ...change,
  };
}

/** Every moment at which a secret's standing changes, seen by a clock that moves by the hour; rotated when due. */
function rotations(secret: Secret, days: number): number[] {
  const times: number[] = [];
  let facts: Facts = written;
  for (let time = 0; time <= days * day; time += hour / 4) {
    const { state } = standingOf(secret, facts, settings, at(time));
    if (state !== "due" && state !== "overdue") continue;
    times.push(time / day);
    const version = facts.version + 1;
    facts = { version, versions: { [version]: at(time) } };
  }
  return times;
}

suite("R15: trading-bot's keys rotate every 7 days", () => {
  test("R15: under a clock that moves over eight weeks the exchange's keys are due eight times, 7 d apart", () => {
    const seen = rotations(named("trading-bot/exchange"), 57);
    assert.equal(seen.length, 8);
    for (const [index, time] of seen.entries()) {
      const since = time - (seen[index - 1] ?? 0);
      assert.ok(since >= 7 && since <= 7 + 1.25 / 24, `rotated after ${since} days`);
    }
  });
  test("R15: the period is the catalogue's: with 3d written there it is 3 days", () => {
    const secret = named("trading-bot/exchange");
    const seen = rotations({ ...secret, rotate: { ...secret.rotate, every: 3 * 86_400 } }, 57);
    assert.equal(seen.length, 18);
  });
  test("R15: the wallet, which a person rotates, has its due date after 7 days and is late on the eighth", () => {
    const standing = (offset: number) => {
      const { state, lateness } = standingOf(named("trading-bot/wallet"), written, settings, at(offset));
      return [state, lateness];
    };
    assert.deepEqual(standing(6.9 * day), ["by hand", "on time"]);
    assert.deepEqual(standing(8 * day), ["by hand", "due"]);
    assert.deepEqual(standing(366 * day), ["by hand", "overdue"]);
  });
});

suite("R16: Slack webhooks and alert tokens rotate every 30 days", () => {
  test("R16: a webhook's due date is spread before its 30 days are over, never after", () => {
    const secret = named("trading-bot/slack-webhook");
    const { due, bound } = standingOf(secret, written, settings, start);
    assert.equal(bound?.getTime(), start.getTime() + 30 * day);
    assert.ok(due !== undefined && due <= at(30 * day) && due >= at(30 * day - hour));
  });
  test("R16: under a clock that moves over 121 days the alert token is due four times, 30 d apart", () => {
    const seen = rotations(named("trading-bot/alert-token"), 121);
    assert.equal(seen.length, 4);
    for (const [index, time] of seen.entries()) {
      const since = time - (seen[index - 1] ?? 0);
      assert.ok(since >= 30 && since <= 30 + 1.25 / 24, `rotated after ${since} days`);
    }
  });
  test("R16: a webhook that nobody replaced is overdue after its 30 days", () => {
    const standing = standingOf(named("trading-bot/slack-webhook"), written, settings, at(30 * day + 1));
    assert.deepEqual([standing.state, standing.lateness], ["by hand", "overdue"]);
  });
});

suite("due dates", () => {
  const secrets = fc.record({
    id: fc.string({ minLength: 1, maxLength: 30 }),
    kind: fc.constantFrom(...(Object.keys(kinds) as SecretKind[])),
    within: fc.option(fc.integer({ min: 60, max: 400 * 86_400 }), { nil: undefined }),
    part: fc.double({ min: 0.001, max: 1, noNaN: true }),
    jitter: fc.integer({ min: 0, max: 60 * 86_400 }),
  });
  test("a due date is never past the bound of the provider or the kind (R15–R20)", () => {
    fc.assert(
      fc.property(secrets, ({ id, kind, within, part, jitter }) => {
        const secret = {
          id,
          kind,
          ...(within !== undefined && { provider: { name: "p", api: true, rotateWithin: within } }),
        };
        const every = Math.max(1, Math.floor(boundOf(secret) * part));
        const due = dueOf(secret, every, start, jitter);
        assert.ok(due.getTime() <= start.getTime() + boundOf(secret) * 1000);
      }),
      { numRuns: runs },
    );
  });
  test("a due date lies within the jitter of its period, on the side where there is room", () => {
    fc.assert(
      fc.property(secrets, ({ id, kind, part, jitter }) => {
        const secret = { id, kind };
        const every = Math.max(1, Math.floor(boundOf(secret) * part));
        const distance = dueOf(secret, every, start, jitter).getTime() - start.getTime() - every * 1000;
        assert.ok(Math.abs(distance) <= jitter * 1000);
        assert.ok(Math.abs(distance) <= (every * 1000) / 4 + 1);
      }),
      { numRuns: runs },
    );
  });
  test("the same secret gets the same date each time it is asked for", () => {
    const secret = { id: "a/b", kind: "token" as const };
    assert.deepEqual(dueOf(secret, 86_400, start, 3600), dueOf(secret, 86_400, start, 3600));
  });
  test("ten thousand secrets of one moment are spread evenly: no sixth of the hour has over a fifth more than its share", () => {
    const sixths = new Array<number>(6).fill(0);
    for (let index = 0; index < 10_000; index++) {
      const due = dueOf({ id: `shop/secret-${index}`, kind: "token" }, 86_400, start, 3600);
      const sixth = Math.floor((due.getTime() - start.getTime() - day) / (hour / 6));
      sixths[sixth] = (sixths[sixth] ?? 0) + 1;
    }
    assert.equal(sixths.length, 6);
    assert.ok(Math.max(...sixths) <= (10_000 / 6) * 1.2, String(sixths));
  });
});

suite("what counts as the last rotation", () => {
  test("a finished one: the moment it began, for the value is that old", () => {
    const facts: Facts = {
      version: 3,
      versions: { 2: at(2 * day), 3: at(3 * day) },
      journal: journal({ startedAt: at(2 * day).toISOString(), from: 1, to: 2, final: 3 }),
    };
    assert.deepEqual(lastRotation(facts), at(2 * day));
  });
  test("a value that someone set afterwards is newer than the journal", () => {
    const facts: Facts = {
      version: 4,
      versions: { 3: at(3 * day), 4: at(9 * day) },
      journal: journal({ startedAt: at(2 * day).toISOString(), from: 1, to: 2, final: 3 }),
    };
    assert.deepEqual(lastRotation(facts), at(9 * day));
  });
  test("one that was rolled back makes nothing younger", () => {
    const facts: Facts = {
      version: 4,
      versions: { 2: at(day), 3: at(8 * day), 4: at(8 * day) },
      journal: journal({
        state: "rolled-back",
        startedAt: at(8 * day).toISOString(),
        from: 2,
        to: 3,
        final: 4,
      }),
    };
    assert.deepEqual(lastRotation(facts), at(day));
    const past = { id: "r0", reason: "scheduled", outcome: "done", from: 1, to: 2 } as const;
    const history = [{ ...past, startedAt: at(0).toISOString(), endedAt: at(day).toISOString() }];
    assert.deepEqual(
      lastRotation({ ...facts, journal: { ...journal({ state: "rolled-back", from: 2, to: 4 }), history } }),
      at(0),
    );
  });
  test("nothing where there is no value", () => {
    assert.equal(lastRotation({ version: 0, versions: {} }), undefined);
  });
});

suite("where a secret stands", () => {
  const hmac = named("titan/hmac");
  const state = (facts: Facts, offset: number, secret: Secret = hmac) =>
    standingOf(secret, facts, settings, at(offset)).state;

  test("not due, due after its period, overdue past its bound", () => {
    assert.equal(state(written, 29 * day), "on time");
    assert.equal(state(written, 30 * day + hour), "due");
    assert.equal(state(written, 366 * day), "overdue");
  });
  test("one that only an event rotates is never due (R20)", () => {
    assert.equal(state(written, 4000 * day, named("solo/encryption-key")), "on compromise");
  });
  test("one without a value says who makes the first", () => {
    const standing = standingOf(named("titan/gemini"), { version: 0, versions: {} }, settings, start);
    assert.deepEqual([standing.state, standing.why], ["no value", "nobody has set it yet: keyplane set"]);
  });
  test("the first key of a provider is set by hand, whoever makes the next ones", () => {
    const { why } = standingOf(named("trading-bot/exchange"), { version: 0, versions: {} }, settings, start);
    assert.equal(why, "nobody has set it yet: keyplane set");
  });
  test("one whose provider has no address in the environment says what to write", () => {
    const { address: _, ...provider } = named("trading-bot/exchange").provider ?? { name: "", api: true };
    const standing = standingOf(
      { ...named("trading-bot/exchange"), provider },
      written,
      settings,
      at(9 * day),
    );
    assert.equal(standing.state, "not here");
    assert.match(standing.why, /providers\.exchange\.address/);
  });
  test("under way while its states take as long as they may, with the step and what it waits for", () => {
    const draining = journal({
      state: "drain",
      since: at(0).toISOString(),
      leaseUntil: at(0).toISOString(),
      notBefore: at(day).toISOString(),
      waiting: "the overlap passes",
    });
    const facts = { ...written, version: 2, journal: draining };
    const { state, step, why, until } = standingOf(hmac, facts, settings, at(12 * hour));
    assert.deepEqual([state, step, why, until], ["under way", "drain", "the overlap passes", at(day)]);
    assert.equal(standingOf(hmac, facts, settings, at(25 * hour)).state, "under way");
    assert.equal(standingOf(hmac, facts, settings, at(25 * hour + 1)).state, "stuck");
    const { notBefore: _, ...unknown } = draining;
    const without = { ...facts, journal: unknown };
    assert.equal(standingOf(hmac, without, settings, at(25 * hour)).state, "under way");
    assert.equal(standingOf(hmac, without, settings, at(25 * hour + 1)).state, "stuck");
  });
  test("on its way back it says what failed, under way and stuck (R48)", () => {
    const back = {
      state: "rolling-back",
      failure: "titan-brain refuses it",
      waiting: "its overlap",
    } as const;
    const facts = { ...written, version: 2, journal: journal(back) };
    const seen = [0, hour].map((later) => standingOf(hmac, facts, settings, at(later)));
    assert.deepEqual(
      seen.map(({ state, why }) => [state, why]),
      ["under way", "stuck"].map((state) => [state, "rolls back: titan-brain refuses it; its overlap"]),
    );
  });
  test("stuck says what it waits for, or that nobody works at it", () => {
    const observing = journal({ state: "observe-listeners", waiting: "titan-sentinel runs version 1" });
    const waits = standingOf(hmac, { ...written, journal: observing }, settings, at(hour + 1));
    assert.deepEqual([waits.state, waits.why], ["stuck", "titan-sentinel runs version 1"]);
    const dead = standingOf(hmac, { ...written, journal: journal({ state: "stage" }) }, settings, at(hour));
    assert.deepEqual([dead.state, dead.why], ["stuck", `nobody works at it since ${start.toISOString()}`]);
  });
  test("one that was rolled back is held back for an hour, then two, then four, a day at most", () => {
    const failed = { id: "r", reason: "scheduled", outcome: "rolled-back", from: 1, to: 2 } as const;
    const past = { ...failed, startedAt: start.toISOString(), endedAt: start.toISOString() };
    const hours = [0, 1, 2, 3, 4, 5, 9].map((before) => {
      const since = at(40 * day);
      const facts = {
        version: 1,
        versions: { 1: start },
        journal: journal({
          state: "rolled-back",
          since: since.toISOString(),
          failure: "the probe failed",
          history: new Array(before).fill(past),
        }),
      };
      const standing = standingOf(hmac, facts, settings, since);
      assert.deepEqual([standing.state, standing.why], ["held back", "rolled back: the probe failed"]);
      const until = standing.until ?? start;
      assert.equal(standingOf(hmac, facts, settings, until).state, "due");
      return (until.getTime() - since.getTime()) / hour;
    });
    assert.deepEqual(hours, [1, 2, 4, 8, 16, 24, 24]);
  });
  test("one that was rolled back before it is due again is on time", () => {
    const early = journal({ state: "rolled-back", since: at(day).toISOString() });
    assert.equal(state({ ...written, journal: early }, day), "on time");
  });
});

suite("times in which nothing begins", () => {
  const friday: RotationSettings["blackouts"] = [
    { days: [5], from: 18 * 60, to: 23 * 60 + 59, reason: "Friday" },
  ];
  const nights: RotationSettings["blackouts"] = [
    { days: [1, 2], from: 22 * 60, to: 6 * 60, reason: "night" },
  ];
  const until = (blackouts: RotationSettings["blackouts"], time: string) =>
    blackoutAt(blackouts, new Date(time))?.until.toISOString();

  test("from its first minute until just before its last, in UTC, on its days alone", () => {
    assert.equal(until(friday, "2026-11-27T17:59:59Z"), undefined);
    assert.equal(until(friday, "2026-11-27T18:00:00Z"), "2026-11-27T23:59:00.000Z");
    assert.equal(until(friday, "2026-11-27T23:58:59.999Z"), "2026-11-27T23:59:00.000Z");
    assert.equal(until(friday, "2026-11-27T23:59:00Z"), undefined);
    assert.equal(until(friday, "2026-11-26T20:00:00Z"), undefined);
  });
  test("one over midnight belongs to the day on which it starts", () => {
    assert.equal(until(nights, "2026-11-23T21:59:00Z"), undefined); // a Monday
    assert.equal(until(nights, "2026-11-23T22:00:00Z"), "2026-11-24T06:00:00.000Z");
    assert.equal(until(nights, "2026-11-25T05:59:00Z"), "2026-11-25T06:00:00.000Z");
    assert.equal(until(nights, "2026-11-23T03:00:00Z"), undefined);
    assert.equal(until(nights, "2026-11-25T23:00:00Z"), undefined);
  });
  test("windows that meet are one: it ends when the last of them does", () => {
    const meeting = [
      { days: [5], from: 18 * 60, to: 0, reason: "Friday" },
      { days: [6], from: 0, to: 12 * 60, reason: "Saturday" },
    ];
    assert.deepEqual(blackoutAt(meeting, new Date("2026-11-27T20:00:00Z")), {
      reason: "Friday",
      until: new Date("2026-11-28T12:00:00Z"),
    });
  });
  test("outside every window is outside them at their end, whatever they are", () => {
    const minutes = fc.integer({ min: 0, max: 1439 });
    const window = fc.record({
      days: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }),
      from: minutes,
      to: minutes,
      reason: fc.constant("r"),
    });
    fc.assert(
      fc.property(
        fc.array(window, { maxLength: 3 }),
        fc.integer({ min: 0, max: 14 * 1440 }),
        (windows, offset) => {
          const time = at(offset * 60_000);
          const inside = windows.some(({ days, from, to }) =>
            // Minute by minute, the slow way.
            [0, 1].some((back) => {
              const date = new Date(time.getTime() - back * day);
              const minute = time.getUTCHours() * 60 + time.getUTCMinutes() + back * 1440;
              return (
                days.includes(date.getUTCDay()) && minute >= from && minute < (to > from ? to : to + 1440)
              );
            }),
          );
          const found = blackoutAt(windows, time);
          assert.equal(found !== undefined, inside);
          if (found !== undefined) assert.ok(found.until > time);
        },
      ),
      { numRuns: runs },
    );
  });
});
