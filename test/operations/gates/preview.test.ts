import assert from "node:assert/strict";
import { resolve } from "node:path";
import { suite, test } from "node:test";
import { lineOf, outcomeOf } from "../../../operations/gates/gate.ts";
import { previewRecord, recordedPreview } from "../../../operations/gates/preview-record.ts";
import { pulumiCommand } from "../../../operations/gates/pulumi-command.ts";
import { type RunEvent, runLogOf } from "../../../operations/gates/run-log.ts";

const urn = (name: string) => `urn:pulumi:staging::keyplane::vault:index/policy:Policy::${name}`;
const registered = (name: string, op = "create"): RunEvent => ({
  resourcePreEvent: { metadata: { op, urn: urn(name) } },
});
const analyzed = (name: string): RunEvent => ({ policyAnalyzeSummaryEvent: { resourceUrn: urn(name) } });
const counted = (alone: number, together = alone): RunEvent => ({
  policyEvent: {
    policyName: "keyplane-judged",
    enforcementLevel: "advisory",
    message: `judged ${alone} resources one by one and ${together} together by 9 rules`,
  },
});
const begin: RunEvent = { preludeEvent: {} };
const end = (isPreview = true): RunEvent => ({ summaryEvent: { isPreview } });
const logOf = (...events: RunEvent[]) => runLogOf(events.map((each) => JSON.stringify(each)).join("\n"));
const both = [registered("a"), analyzed("a"), registered("b"), analyzed("b")];

suite("what a preview's event log counts", () => {
  test("is what the engine registered, and of that what it let the pack judge and the pack says it has", () => {
    const log = logOf(begin, ...both, counted(2), end());
    assert.equal(lineOf(log.gate("preview")), "preview: 2 of 2 resources judged: passed");
    assert.equal(log.ended, "preview");
  });
  test("leaves out what is deleted, which nobody judges, and counts a replacement once", () => {
    const more = [
      registered("c", "delete"),
      registered("a", "create-replacement"),
      registered("a", "replace"),
    ];
    assert.equal(outcomeOf(logOf(begin, ...both, ...more, counted(2), end()).gate("preview")), "passed");
  });
  for (const [what, events] of Object.entries({
    "one that the engine did not let the pack judge": [...both, registered("c"), counted(3)],
    "one that the pack did not count": [...both, counted(1)],
    "one that the pack did not judge with the others": [...both, counted(2, 1)],
    "a pack that says nothing": both,
    "a pack that counts for an engine that asked it nothing": [registered("a"), registered("b"), counted(2)],
  })) {
    test(`fails with ${what}`, () =>
      assert.equal(outcomeOf(logOf(begin, ...events, end()).gate("preview")), "failed"));
  }
  test("is of the last run alone: `pulumi up` previews first, and what that judged is not the update's", () => {
    const log = logOf(begin, ...both, counted(2), end(), begin, ...both, end(false));
    assert.equal(outcomeOf(log.gate("state")), "failed");
    assert.equal(log.ended, "update");
    assert.equal(logOf(begin, ...both, counted(2), end(), begin, ...both).ended, undefined);
  });
  test("ends where the log was cut off in the middle of a line", () => {
    const text = [begin, ...both, counted(2), end()].map((each) => JSON.stringify(each)).join("\n");
    const log = runLogOf(text.slice(0, -5));
    assert.equal(log.ended, undefined);
    assert.equal(outcomeOf(log.gate("preview")), "passed");
  });
});

suite("the command line of a run that is judged", () => {
  const right = [
    "pulumi",
    "preview",
    "--stack",
    "acme/keyplane/staging",
    "--policy-pack",
    "policies/analyzer",
  ];
  test("is taken as it is, the pack's path absolute: the engine starts it in the folder of the entry", () => {
    const pack = resolve("policies/analyzer");
    const words = [...right.slice(0, -1), pack];
    assert.deepEqual(pulumiCommand(right), { kind: "preview", stack: "staging", words });
    assert.deepEqual(
      pulumiCommand(["/opt/pulumi", "up", "-s", "a", "--policy-pack=policies/analyzer", "--yes"]),
      {
        kind: "update",
        stack: "a",
        words: ["/opt/pulumi", "up", "-s", "a", `--policy-pack=${pack}`, "--yes"],
      },
    );
  });
  for (const cwd of [
    ["-C", "infra"],
    ["-C=infra"],
    ["-dCinfra"],
    ["--cwd", "infra"],
    ["--cwd=infra"],
    ["-C", "a", "-Cinfra"],
  ]) {
    test(`has its pack where Pulumi looks for it: ${cwd.join(" ")}`, () => {
      const found = pulumiCommand([...right, ...cwd]);
      assert.ok(typeof found === "object");
      assert.deepEqual(found.words, [...right.slice(0, -1), resolve("infra/policies/analyzer"), ...cwd]);
    });
  }
  for (const short of [["-sa"], ["-s=a"], ["-ysa"], ["-dys", "a"], ["-m", "-s b", "--stack=a"]]) {
    test(`names its stack as Pulumi reads it: ${short.join(" ")}`, () => {
      const found = pulumiCommand(["pulumi", "up", ...short, "--policy-pack", "/pack"]);
      assert.deepEqual(found, {
        kind: "update",
        stack: "a",
        words: ["pulumi", "up", ...short, "--policy-pack", "/pack"],
      });
    });
  }
  for (const [what, words, why] of [
    ["another program", ["sh", ...right.slice(1)], /only `pulumi preview …` and `pulumi up …`/],
    [
      "another command",
      ["pulumi", "destroy", ...right.slice(2)],
      /only `pulumi preview …` and `pulumi up …`/,
    ],
    ["nothing", [], /only `pulumi preview …`/],
    ["no stack", ["pulumi", "up", ...right.slice(4)], /name one stack/],
    ["two stacks", [...right, "-s", "b"], /name one stack/],
    ["no pack", right.slice(0, 4), /--policy-pack policies\/analyzer/],
    ["two packs", [...right, "--policy-pack=b"], /the one policy pack/],
    ["a part of the stack", [...right, "--target=urn:secret"], /of a whole stack: leave --target out/],
    ["two packs in one word", [...right.slice(0, -1), "a,b"], /the one policy pack/],
    ["a pack without a path", right.slice(0, 5), /the one policy pack/],
    ["a part by its short name", [...right, "-t", "urn:secret"], /of a whole stack: leave -t out/],
    ["a part among other short names", [...right, "-dturn:secret"], /of a whole stack: leave -t out/],
    ["all but one by its short name", [...right, "-xurn:secret"], /of a whole stack: leave -x out/],
    ["all but a part", [...right, "--exclude-protected"], /leave --exclude-protected out/],
    ["an event log of its own", [...right, "--event-log", "x"], /event log/],
  ] as const) {
    test(`is refused with ${what}`, () => {
      const found = pulumiCommand(words);
      assert.ok(typeof found === "string");
      assert.match(found, why);
    });
  }
});

suite("the recorded previews of an environment", () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const gate = { gate: "preview" as const, judged: 5, of: 5, findings: [] };
  const pending = { verdict: "pending" as const, rule: "a-rule", message: "m", urn: urn("a") };
  const of = (stack: string, more: object = {}) => ({ environment: "staging", stack, commit, ...more });
  const records: Record<string, object> = {
    "staging.platform": previewRecord(of("staging.platform"), { ...gate, findings: [pending] }),
    "staging.trading": previewRecord(of("staging.trading"), gate),
  };
  const expected = { environment: "staging", commit, stacks: Object.keys(records), declared: 8 };
  const read = (found: Record<string, object>) => async (stack: string) =>
    found[stack] === undefined ? undefined : JSON.stringify(found[stack]);

  test("are one gate: the sums of what was judged, and all that is pending", async () => {
    assert.deepEqual(await recordedPreview(expected, read(records)), {
      gate: "preview",
      judged: 10,
      of: 10,
      findings: [pending],
    });
  });
  test("fail as they were counted: fewer judged than registered is no pass", async () => {
    const fewer = { ...records, "staging.trading": { ...records["staging.trading"], judged: 4 } };
    assert.equal(outcomeOf(await recordedPreview(expected, read(fewer))), "failed");
  });
  test("of what is violated nothing is recorded", () => {
    const violated = { verdict: "violated" as const, rule: "a-rule", message: "m" };
    assert.throws(() => previewRecord(of("staging"), { ...gate, findings: [violated] }));
  });
  for (const [what, found, why] of [
    [
      "a stack that nobody previewed",
      { "staging.platform": records["staging.platform"] },
      /no preview of the stack staging\.trading/,
    ],
    [
      "another stack's record",
      { ...records, "staging.trading": records["staging.platform"] },
      /recorded of staging\.trading is no preview/,
    ],
    [
      "a text that is no record",
      { ...records, "staging.trading": {} },
      /recorded of staging\.trading is no preview/,
    ],
    [
      "another environment",
      {
        ...records,
        "staging.trading": previewRecord(of("staging.trading", { environment: "production" }), gate),
      },
      /is of production/,
    ],
    [
      "another commit",
      {
        ...records,
        "staging.trading": previewRecord(of("staging.trading", { commit: commit.replace("0", "f") }), gate),
      },
      /is of commit f123456789ab, and this is 0123456789ab/,
    ],
    [
      "fewer resources than the program declares",
      { ...records, "staging.trading": previewRecord(of("staging.trading"), { ...gate, judged: 2, of: 2 }) },
      /registered 7 resources, and the program declares 8/,
    ],
  ] as [string, Record<string, object>, RegExp][]) {
    test(`are refused with ${what}, and what to do is said (R25)`, () =>
      assert.rejects(recordedPreview(expected, read(found)), (error: Error) => {
        assert.equal(error.name, "GateEvidenceError");
        assert.match(error.message, why);
        assert.match(error.message, /keyplane judge --environment staging --record/);
        return true;
      }));
  }
});
