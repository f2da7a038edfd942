import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type GateEvidence, gateEvidence, requireGateEvidence } from "../../../operations/gates/evidence.ts";
import { type Gate, lineOf, outcomeOf, stopped, verdictOf } from "../../../operations/gates/gate.ts";
import { liveGate } from "../../../operations/gates/live.ts";
import { PolicyLog } from "../../../operations/gates/policy-events.ts";
import { judgeState } from "../../../operations/gates/state.ts";

const finding = (verdict: "violated" | "pending" | "excepted") => ({ verdict, rule: "a-rule", message: "m" });
const gate = (name: Gate["gate"], more: Partial<Gate> = {}): Gate => ({
  gate: name,
  judged: 5,
  of: 5,
  findings: [],
  ...more,
});
const all = [gate("preview", { findings: [finding("pending")] }), gate("state"), gate("live")];

suite("one verdict of three gates", () => {
  test("passes where all three did, and what was pending before the update was judged after it", () =>
    assert.equal(verdictOf(all), "passed"));
  for (const missing of ["preview", "state", "live"] as const) {
    test(`is incomplete without ${missing}: a gate that was not run has not passed`, () =>
      assert.equal(verdictOf(all.filter((each) => each.gate !== missing)), "incomplete"));
  }
  for (const name of ["state", "live"] as const) {
    test(`fails where something is still pending in ${name}`, () => {
      const findings = [finding("pending")];
      assert.equal(
        verdictOf([...all.filter((each) => each.gate !== name), gate(name, { findings })]),
        "failed",
      );
    });
  }
  test("where all was judged and something is left open, what that is is said, not that too little was judged", () => {
    const { message } = stopped("staging", gate("state", { findings: [finding("pending")] }), [
      "create Policy a",
    ]);
    assert.match(
      message,
      /^the policies stop staging \(this run had made 1 change.*\):\npending: a-rule: m$/,
    );
  });
  for (const [what, more] of Object.entries({
    "one violation": { findings: [finding("violated")] },
    "nothing judged": { judged: 0, of: 0 },
    "fewer judged than there are": { judged: 4 },
    "more judged than there are": { judged: 6 },
  })) {
    for (const name of ["preview", "state", "live"] as const) {
      test(`fails with ${what} in ${name}`, () => {
        assert.equal(outcomeOf(gate(name, more)), "failed");
        assert.equal(verdictOf([...all.filter((each) => each.gate !== name), gate(name, more)]), "failed");
      });
    }
  }
  test("passes with an exception, which stays in its findings", () =>
    assert.equal(outcomeOf(gate("state", { findings: [finding("excepted")] })), "passed"));
});

suite("what of the live system was only read", () => {
  const probe = { promise: "p", holds: true, seen: "s" } as const;
  const live = liveGate([
    { ...probe, name: "mfa", how: "read" },
    { ...probe, name: "audit", how: "read" },
    { ...probe, name: "widened-token", how: "tried" },
  ]);
  const gates = [...all.slice(0, 2), live];
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const text = JSON.stringify(gateEvidence("staging", commit, gates));
  test("is no pass: the gate counts what was tried, and the verdict says read", () => {
    assert.deepEqual([live.judged, live.of, live.read], [1, 3, ["mfa", "audit"]]);
    assert.deepEqual([outcomeOf(live), verdictOf(gates)], ["read", "read"]);
    assert.equal(lineOf(live), "live: 1 of 3 probes tried, only read and not tried: mfa, audit: read");
  });
  test("fails where what was read does not hold, or nothing was tried", () => {
    assert.equal(outcomeOf(liveGate([{ ...probe, name: "mfa", how: "read", holds: false }])), "failed");
    assert.equal(outcomeOf({ ...live, judged: 0, read: ["mfa", "audit", "widened-token"] }), "failed");
  });
  test("is refused by the environment that comes after, unless it is accepted by its name (R25)", () => {
    const held = (acceptRead: string[]) =>
      requireGateEvidence(text, { environment: "staging", commit, acceptRead });
    assert.throws(
      () => held([]),
      /staging only read, and did not try: mfa, audit \(give its check its audit lines, --audit-log or --audit-command,/,
    );
    assert.throws(() => held(["mfa"]), /did not try: audit \(/);
    assert.doesNotThrow(() => held(["mfa", "audit"]));
  });
});

suite("what the engine says of a pack", () => {
  const counted = {
    policyName: "keyplane-judged",
    enforcementLevel: "advisory",
    message: "judged 7 resources one by one and 8 together by 122 rules",
  };
  test("counts the fewer of the resources judged alone and together", () => {
    const log = new PolicyLog();
    log.add(counted);
    assert.equal(log.gate("state", 8).judged, 7);
  });
  test("takes advice that is neither pending nor excepted for a violation: somebody toned it down", () => {
    const log = new PolicyLog();
    log.add({ policyName: "a-rule", enforcementLevel: "advisory", message: "it is wrong" });
    assert.deepEqual(log.findings, [{ verdict: "violated", rule: "a-rule", message: "it is wrong" }]);
  });
  test("takes a mandatory message for a violation, whatever it says", () => {
    const log = new PolicyLog();
    log.add({ policyName: "a-rule", enforcementLevel: "mandatory", message: "pending: it is wrong" });
    assert.equal(log.findings[0]?.verdict, "violated");
  });
});

suite("the second gate", () => {
  const judged = (stdout: string, code: number | null = 0, stderr = "") =>
    judgeState({ run: async () => ({ code, stdout, stderr }), stack: "s", pack: "/p", resources: 7 });
  const count = JSON.stringify({
    policyEvent: {
      policyName: "keyplane-judged",
      enforcementLevel: "advisory",
      message: "judged 7 resources one by one and 7 together by 122 rules",
    },
  });
  const end = JSON.stringify({ summaryEvent: {} });
  test("passes where the analysis ended and the pack saw every resource", async () =>
    assert.equal(outcomeOf(await judged(`${count}\n${end}\n`)), "passed"));
  test("fails where the analysis ended well and the pack said nothing", async () =>
    assert.equal(outcomeOf(await judged(`${end}\n`)), "failed"));
  for (const [what, stdout, code] of [
    ["an analysis that was cut off", count, null],
    ["an analysis that failed without a violation", `${count}\n${end}`, 1],
    ["no output at all, as for a stack without resources", "", 0],
  ] as const) {
    test(`is not passed by ${what}`, () => assert.rejects(judged(stdout, code), { name: "GateError" }));
  }
});

suite("evidence for the environment that comes after", () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const right = gateEvidence("staging", commit, all);
  const held = (evidence: Partial<GateEvidence> | string) =>
    requireGateEvidence(typeof evidence === "string" ? evidence : JSON.stringify({ ...right, ...evidence }), {
      environment: "staging",
      commit,
    });
  test("lets the same commit follow where all three gates passed", () => assert.doesNotThrow(() => held({})));
  for (const [what, evidence, why] of [
    [
      "another commit",
      { commit: commit.replace("0", "f") },
      /of commit f123456789ab, and this is 0123456789ab/,
    ],
    ["another environment", { environment: "local" }, /the evidence is of local/],
    ["an incomplete verdict", { verdict: "incomplete" }, /staging did not pass \(incomplete/],
    ["a verdict that its gates do not bear", { gates: right.gates.slice(0, 2) }, /not passed: live/],
    [
      "a gate that judged nothing",
      { gates: right.gates.map((each) => ({ ...each, judged: 0, of: 0 })) },
      /not passed: preview, state, live/,
    ],
    ["a text that is no evidence", "{}", /no evidence of staging's gates/],
    ["nothing", "", /no evidence of staging's gates/],
  ] as const) {
    test(`refuses ${what}, and says what to do (R25)`, () => {
      assert.throws(
        () => held(evidence),
        (error: Error) => {
          assert.equal(error.name, "GateEvidenceError");
          assert.match(error.message, why);
          assert.match(error.message, /deploy this commit to staging first/);
          return true;
        },
      );
    });
  }
});
