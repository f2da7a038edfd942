import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Ajv } from "ajv";
import { checkProgram } from "../../cli/check-program.ts";
import { annotations } from "../../policies/output/annotations.ts";
import { markdown, marker } from "../../policies/output/markdown.ts";
import { sarif } from "../../policies/output/sarif.ts";
import { table } from "../../policies/output/table.ts";
import { changedCatalogue, wide } from "./organization.ts";

const checked = await checkProgram(changedCatalogue(wide.file, wide.from, wide.to), "staging", {
  today: "2026-01-01",
  auditFolder: "/var/lib/keyplane/audit",
});
// OASIS' own schema. It says draft 4, of which it has nothing that draft 7 reads differently but the name of `id`.
const { $schema, id, ...schema } = JSON.parse(
  readFileSync(
    createRequire(import.meta.url).resolve("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"),
    "utf8",
  ),
) as { $schema: string; id: string };

test("SARIF is valid against the schema of 2.1.0", () => {
  assert.deepEqual([$schema, /sarif.*2\.1\.0/.test(id)], ["http://json-schema.org/draft-04/schema#", true]);
  const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile(schema);
  validate(sarif(checked));
  assert.deepEqual(validate.errors, null);
  assert.equal(validate({ version: "2.1.0", runs: [{ tool: { driver: {} } }] }), false);
});

test("SARIF points to the catalogue's line, tells pending from failed, and names every rule once", () => {
  const [run] = sarif(checked).runs;
  const ids = run?.tool.driver.rules.map(({ id }) => id) ?? [];
  assert.equal(new Set(ids).size, ids.length);
  const brain = run?.results.find(
    ({ ruleId, locations }) =>
      ruleId === "approle-network-bound" && JSON.stringify(locations).includes("titan.titan-brain"),
  );
  assert.deepEqual(
    [brain?.kind, brain?.level, ids[brain?.ruleIndex ?? -1], brain?.locations[0]?.physicalLocation],
    [
      "fail",
      "error",
      "approle-network-bound",
      {
        artifactLocation: { uri: "catalogue/systems/titan.yaml" },
        region: { startLine: 11, startColumn: 3 },
      },
    ],
  );
  const pending = run?.results.find(({ ruleId }) => ruleId === "mfa-for-people");
  assert.deepEqual([pending?.kind, pending?.level], ["open", "none"]);
});

test("the same finding has the same fingerprint in the next run, and no other has it", () => {
  const prints = () =>
    sarif(checked).runs[0]?.results.map(({ partialFingerprints }) => partialFingerprints["keyplane/v1"]) ??
    [];
  assert.deepEqual(prints(), prints());
  assert.equal(new Set(prints()).size, prints().length);
});

test("the table puts violations with their line and fix before what is pending, and counts all at the end", () => {
  const lines = table(checked).split("\n");
  assert.match(lines[0] ?? "", /^✗ high {4} catalogue\/systems\/\S+:\d+:\d+: approle-network-bound$/);
  assert.match(lines[3] ?? "", /^ {4}fix: /);
  const kinds = lines.map((line) => line[0]).filter((mark) => mark === "✗" || mark === "?");
  assert.deepEqual(kinds.join("").replace(/^✗+\?+$/, "in order"), "in order");
  assert.match(
    lines.at(-1) ?? "",
    /^staging: \d+ resources, \d+ rules: [1-9]\d* violated, [1-9]\d* pending, 0 excepted\.$/,
  );
});

test("annotations are one command a line, with file, line and column", () => {
  const lines = annotations(checked).split("\n");
  assert.ok(
    lines.every((line) => /^::(error|notice) file=catalogue\/\S+,line=\d+,col=\d+,title=/.test(line)),
  );
  assert.ok(lines.some((line) => line.startsWith("::error ")));
  assert.ok(lines.some((line) => line.startsWith("::notice ")));
});

test("a name cannot begin another annotation or leave its table cell", () => {
  const [finding] = checked.findings;
  assert.ok(finding);
  const hostile = {
    ...checked,
    findings: [{ ...finding, verdict: "violated" as const, message: "a\n::error::b | <b> @all" }],
  };
  assert.equal(annotations(hostile).split("\n").length, 1);
  const row =
    markdown(hostile)
      .split("\n")
      .find((line) => line.includes("&#124;")) ?? "";
  assert.match(row, /a ::error::b &#124; &#60;b&#62; @\u2060all/);
});

test("the comment begins with a marker of its environment, so that it is updated and not repeated", () => {
  const text = markdown(checked);
  assert.ok(text.startsWith(`${marker("staging")}\n`));
  assert.match(text, /^### Policies: violated$/m);
  assert.match(text, /^Pending: /m);
});

test("with something pending, the comment does not say that the policies passed", () => {
  const pending = { ...checked, findings: checked.findings.filter(({ verdict }) => verdict === "pending") };
  assert.match(markdown(pending), /^### Policies: nothing violated, some pending$/m);
  assert.match(markdown({ ...checked, findings: [] }), /^### Policies: passed$/m);
});

/** An exception that another environment needs and this one does not, with a reason that is markup. */
const granted = {
  ...checked,
  exceptions: [
    {
      exception: {
        name: "old-ledger",
        rule: "database-tls",
        appliesTo: "titan/ledger",
        owner: "ada",
        expires: "2026-12-31",
        reason: "[passed](https://evil.example) `x` | ask @ben\n::error::x",
      },
      used: false,
      expired: false,
      position: { file: "catalogue/systems/ti`tan.yaml", line: 7, column: 3 },
    },
  ],
};

test("an exception that is not needed here stands in every output, with its owner, reason and last day", () => {
  const words = /old-ledger.*ada.*until 2026-12-31.*passed/;
  assert.match(
    table(granted),
    /exception "old-ledger": .*ada, until 2026-12-31 \(not needed here\): \[passed\]/,
  );
  assert.match(markdown(granted), /^\| old-ledger \| .* \| ada \| 2026-12-31 &#40;not needed here&#41; \| /m);
  const lines = annotations(granted).split("\n");
  const [line = "", ...more] = lines.filter((each) => each.includes("old-ledger"));
  assert.match(
    line,
    /^::notice file=catalogue\/systems\/ti`tan\.yaml,line=7,col=3,title=exception not needed in /,
  );
  assert.match(line, words);
  assert.deepEqual(more, []);
  const result = sarif(granted).runs[0]?.results.at(-1);
  assert.deepEqual(
    [result?.kind, result?.level, result?.ruleId],
    ["informational", "none", "exception-used"],
  );
  assert.match(result?.message.text.replace(/\n/g, " ") ?? "", words);
  assert.equal(result?.locations[0]?.physicalLocation?.region.startLine, 7);
  const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile(schema);
  assert.ok(validate(sarif(granted)), JSON.stringify(validate.errors));
});

test("a reason and a file's name are text in the comment, whatever markup stands in them", () => {
  const [finding] = checked.findings;
  assert.ok(finding);
  const position = { file: "catalogue/`|[x](y).yaml", line: 1, column: 1 };
  const hostile = { ...granted, findings: [{ ...finding, verdict: "violated" as const, position }] };
  const text = markdown(hostile);
  assert.match(
    text,
    / \| &#91;passed&#93;&#40;https:\u2060\/\/evil\.example&#41; &#96;x&#96; &#124; ask @\u2060ben ::error::x \|$/m,
  );
  assert.match(text, /<code>catalogue\/&#96;&#124;&#91;x&#93;&#40;y&#41;\.yaml:1<\/code>/);
});
