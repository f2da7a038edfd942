import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type SecretDescription, SecretsManagerError } from "../../../clients/secrets-manager.ts";
import { type Asked, overdueSince, rotateKept } from "../../../operations/rotation/secrets-manager.ts";

const now = new Date("2026-11-29T12:00:00Z");
const day = 86_400_000;
const before = (days: number) => new Date(now.getTime() - days * day);

function described(more: Partial<SecretDescription>): SecretDescription {
  return {
    name: "keyplane/production/titan/ledger/titan-proxy",
    rotates: true,
    versions: { v1: ["AWSCURRENT"] },
    made: before(400),
    rotated: before(10),
    next: before(-20),
    ...more,
  };
}

suite("a rotation that Secrets Manager owes (R14)", () => {
  const cases: [string, Partial<SecretDescription>, Date | undefined][] = [
    ["its date is to come", {}, undefined],
    ["its date has passed", { next: before(0.5) }, before(0.5)],
    ["it has no value yet", { versions: {}, made: before(0.01) }, before(0.01)],
    ["only one that did not end", { versions: { v1: ["AWSPENDING"] }, made: before(1) }, before(1)],
    ["no date, and the period has not passed", { next: undefined, rotated: before(30.9) }, undefined],
    ["no date, and the period has passed", { next: undefined, rotated: before(32) }, before(1)],
    ["a date that somebody put off", { next: before(-300), rotated: before(40) }, before(9)],
    ["never rotated since it was made", { next: undefined, rotated: undefined, made: before(33) }, before(2)],
  ];
  for (const [what, more, since] of cases) {
    test(`${what}: ${since === undefined ? "in time" : "overdue"}`, () => {
      assert.deepEqual(overdueSince(described(more), 30, now), since);
    });
  }
});

const names = ["late", "early", "off", "refused", "open", "slow"];
/** @param stopsAt stopped once this one has been asked for so often; "": before anything */
function fleet(stopsAt?: string, times = 1) {
  const stop = new AbortController();
  if (stopsAt === "") stop.abort();
  const found: Record<string, SecretDescription> = {
    late: described({ next: before(1) }),
    early: described({}),
    off: described({ rotates: false, next: before(1) }),
    refused: described({ next: before(2) }),
    open: described({ next: before(3), versions: { v1: ["AWSCURRENT"], v2: ["AWSPENDING"] } }),
    slow: described({ next: before(4) }),
  };
  const asked: string[] = [];
  const client = {
    describe: async (name: string) => found[name] ?? assert.fail(name),
    async rotate(name: string) {
      asked.push(name);
      if (name === stopsAt && asked.filter((each) => each === name).length === times) stop.abort();
      if (name === "refused")
        throw new SecretsManagerError("RotateSecret", name, "AccessDeniedException", "no");
      const isOpen = name === "open" && found.open?.versions.v2?.includes("AWSPENDING") === true;
      const version = isOpen ? "v2" : `v${8 + asked.filter((each) => each === name).length}`;
      const labels = [name === "slow" ? "AWSPENDING" : "AWSCURRENT"];
      found[name] = described({ versions: { [version]: labels } });
      if (isOpen) {
        throw new SecretsManagerError("RotateSecret", name, "InvalidRequestException", "reattempted");
      }
      return version;
    },
  };
  const started: string[] = [];
  const keeping = {
    client,
    now,
    patience: 0,
    signal: stop.signal,
    started: (secret: string) => started.push(secret),
  };
  const secrets = names.map((name) => ({ name, every: 30 }));
  return {
    asked,
    started,
    run: (dryRun: boolean, what: Asked = "overdue") =>
      rotateKept(secrets, { ...keeping, dryRun, asked: what }),
  };
}

suite("what is owed is started, and nothing else", () => {
  test("each is told apart: rotated, in time, switched off, refused, gone on with, not in force yet", async () => {
    const { asked, started, run } = fleet();
    const [late, early, off, refused, open, slow] = await run(false);
    assert.deepEqual(asked, ["late", "refused", "open", "slow"]);
    assert.deepEqual(started, asked);
    assert.deepEqual(late, { secret: "late", state: "rotated", since: before(1), version: "v9" });
    assert.deepEqual(early, { secret: "early", state: "on time" });
    assert.deepEqual(off, { secret: "off", state: "off" });
    assert.equal(refused?.state, "failed");
    assert.deepEqual(open, { secret: "open", state: "rotated", since: before(3), version: "v2" });
    assert.deepEqual(slow, { secret: "slow", state: "not in force", since: before(4), version: "v9" });
  });

  test("a dry run starts nothing, and says since when each is owed", async () => {
    const { asked, run } = fleet();
    const states = (await run(true)).map((each) => [each.state, "since" in each ? each.since : undefined]);
    assert.deepEqual(asked, []);
    assert.deepEqual(states, [
      ["overdue", before(1)],
      ["on time", undefined],
      ["off", undefined],
      ["overdue", before(2)],
      ["overdue", before(3)],
      ["overdue", before(4)],
    ]);
  });
});

suite("stopped, it names what it did not begin and what it did not wait for", () => {
  for (const dryRun of [false, true]) {
    test(`before anything${dryRun ? " of a dry run" : ""}: nothing is started, and each is named`, async () => {
      const { asked, run } = fleet("");
      assert.deepEqual(
        [await run(dryRun), asked],
        [names.map((secret) => ({ secret, state: "stopped" })), []],
      );
    });
  }
  test("half-way: what is in force already is told, what is not yet is no failure", async () => {
    const { asked, run } = fleet("refused");
    const states = (await run(false)).map(({ state }) => state);
    assert.deepEqual(states, ["rotated", "on time", "off", "failed", "stopped", "stopped"]);
    assert.deepEqual(asked, ["late", "refused"]);
    const [, , , , , slow] = await fleet("slow").run(false);
    assert.deepEqual(slow, { secret: "slow", state: "stopped", since: before(4), version: "v9" });
  });
  test("between the two turns of what has leaked: the second one is not begun (R21)", async () => {
    const { asked, run } = fleet("late");
    const [late] = await run(false, "leaked");
    assert.deepEqual(
      [late, asked],
      [{ secret: "late", state: "stopped", since: before(1), version: "v9" }, ["late"]],
    );
  });
});

suite("all that Secrets Manager keeps, due or not", () => {
  test("is rotated once where somebody asks for all", async () => {
    const { asked, run } = fleet();
    const states = (await run(false, "all")).map(({ state }) => state);
    assert.deepEqual(asked, ["late", "early", "refused", "open", "slow"]);
    assert.deepEqual(states, ["rotated", "rotated", "off", "failed", "rotated", "not in force"]);
  });
  test("is rotated twice after a compromise: the login of before works until its next turn (R21)", async () => {
    const { asked, run } = fleet();
    const [late, early, off, refused, open, slow] = await run(false, "leaked");
    assert.deepEqual(asked.filter((name) => name === "late").length, 2);
    assert.deepEqual(early, { secret: "early", state: "rotated", version: "v10" });
    assert.deepEqual([late?.state, off?.state, refused?.state], ["rotated", "off", "failed"]);
    // What was under way before may be what leaked: it ends, and both follow.
    assert.deepEqual(asked.filter((name) => name === "open").length, 3);
    assert.equal(open?.state, "rotated");
    // Its second turn is not begun before the first is in force.
    assert.deepEqual([slow?.state, asked.filter((name) => name === "slow").length], ["not in force", 1]);
  });
  test("is told in a dry run, and nothing is started", async () => {
    const { asked, run } = fleet();
    const states = (await run(true, "leaked")).map(({ state }) => state);
    assert.deepEqual([asked, states], [[], ["overdue", "asked", "off", "overdue", "overdue", "overdue"]]);
  });
});
