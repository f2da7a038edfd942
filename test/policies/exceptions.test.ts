import assert from "node:assert/strict";
import { test } from "node:test";
import { checkProgram } from "../../cli/check-program.ts";
import type { Exception } from "../../model/model.ts";
import type { Check } from "../../policies/check.ts";
import { isAbout } from "../../policies/exceptions.ts";
import { annotations } from "../../policies/output/annotations.ts";
import { markdown } from "../../policies/output/markdown.ts";
import { sarif } from "../../policies/output/sarif.ts";
import { table } from "../../policies/output/table.ts";
import { rules } from "../../policies/rules.ts";
import { changedCatalogue } from "./organization.ts";

const auditFolder = "/var/lib/keyplane/audit";

/** A database of staging without TLS, which the catalogue admits only with an exception of this form. */
function without(tls: string) {
  return changedCatalogue(
    "systems/titan.yaml",
    /(staging: \{ database: titan)( \})([\s\S]*)$/,
    `$1${tls}$2$3\nexceptions:\n  old-ledger:\n    rule: database-tls\n    applies-to: titan/ledger\n    owner: ada\n    reason: The old ledger has no certificate.\n    expires: 2026-12-31\n`,
  );
}

const of = ({ findings }: Check, name: string) =>
  findings.filter(({ rule }) => rule.name === name).map(({ verdict, message }) => `${verdict}: ${message}`);

test("a violation with an exception is excepted, and stands in every output with owner, reason and day", async () => {
  const checked = await checkProgram(without(", tls: disable"), "staging", {
    today: "2026-12-31",
    auditFolder,
  });
  assert.deepEqual(of(checked, "database-tls"), ["excepted: sslmode is disable, not verify-full"]);
  assert.deepEqual(of(checked, "exception-current"), []);
  assert.deepEqual(of(checked, "exception-used"), []);
  const reason = /The old ledger has no certificate\./;
  for (const text of [table(checked), markdown(checked), JSON.stringify(sarif(checked))]) {
    assert.match(text, reason);
    assert.match(text, /ada/);
    assert.match(text, /2026-12-31/);
  }
  assert.match(
    annotations(checked),
    /^::warning file=catalogue\/systems\/titan\.yaml,line=\d+,col=3,title=database-tls/m,
  );
});

test("the day after its last, an exception no longer excuses and is a violation itself", async () => {
  const checked = await checkProgram(without(", tls: disable"), "staging", {
    today: "2027-01-01",
    auditFolder,
  });
  assert.deepEqual(of(checked, "database-tls"), ["violated: sslmode is disable, not verify-full"]);
  assert.deepEqual(of(checked, "exception-current"), ['violated: "old-ledger" of ada ended on 2026-12-31']);
});

test("an exception that nothing needs, in no environment, is a violation", async () => {
  const checked = await checkProgram(without(""), "staging", { today: "2026-12-31", auditFolder });
  assert.deepEqual(of(checked, "exception-used"), [
    'violated: "old-ledger" of ada: nothing that can be excepted breaks database-tls at titan/ledger',
  ]);
});

test("an exception that another environment needs is not unused", async () => {
  const checked = await checkProgram(without(", tls: disable"), "production", {
    today: "2026-12-31",
    auditFolder,
  });
  assert.deepEqual(of(checked, "exception-used"), []);
  assert.deepEqual(
    checked.exceptions.map(({ used }) => used),
    [false],
  );
});

test("an exception may name the requirement that the rule answers for", async () => {
  const catalogue = changedCatalogue(
    "organization.yaml",
    /(cidrs: )\[10\.20\.0\.0\/16\]([\s\S]*)$/,
    `$1[8.0.0.0/15]$2\nexceptions:\n  wide:\n    rule: R7\n    applies-to: titan/titan-brain\n    owner: ben\n    reason: They move.\n    expires: 2026-12-31\n`,
  );
  const checked = await checkProgram(catalogue, "staging", { today: "2026-12-01", auditFolder });
  const brain = checked.findings.filter(({ entry }) => entry === "titan/titan-brain");
  assert.deepEqual(
    [...new Set(brain.map(({ rule, verdict }) => `${rule.name} ${verdict}`))],
    ["approle-network-bound excepted"],
  );
  const others = of(checked, "approle-network-bound").filter((finding) => finding.startsWith("violated"));
  assert.ok(others.length > 0, "only the entry that it names is excepted");
});

/** An exception of staging's own entry, in a program that has two faults of its own. */
const ofEnvironment = (rule: string, expires = "2026-12-31") =>
  changedCatalogue(
    "organization.yaml",
    /$/,
    `\nexceptions:\n  all:\n    rule: ${rule}\n    applies-to: staging\n    owner: ben\n    reason: They move.\n    expires: ${expires}\n`,
  );

test("what is pending may need its exception: before the update it is not unused", async () => {
  const catalogue = ofEnvironment("mfa-for-people");
  const { findings } = await checkProgram(catalogue, "staging", { today: "2026-12-01", auditFolder });
  const names = (verdict: string) =>
    findings.filter((each) => each.verdict === verdict).map(({ rule }) => rule.name);
  assert.ok(names("pending").includes("mfa-for-people"));
  assert.ok(!names("violated").includes("exception-used"));
});

test("an exception ends within 180 days: one for ever excuses nothing", async () => {
  const catalogue = without(", tls: disable");
  const days = { today: "2026-07-04", auditFolder };
  assert.deepEqual(of(await checkProgram(catalogue, "staging", days), "exception-current"), []);
  const early = await checkProgram(catalogue, "staging", { ...days, today: "2026-07-03" });
  assert.deepEqual(of(early, "database-tls"), ["violated: sslmode is disable, not verify-full"]);
  assert.deepEqual(of(early, "exception-current"), [
    'violated: "old-ledger" of ada ends on 2026-12-31: nobody looks at it within 180 days',
  ]);
});

test("an exception of a rule that there is not says so", async () => {
  const checked = await checkProgram(ofEnvironment("quota-everywere"), "staging", {
    today: "2026-12-01",
    auditFolder,
  });
  assert.deepEqual(of(checked, "exception-used"), [
    'violated: "all" of ben: there is no rule quota-everywere',
  ]);
});

const exceptionOf = (rule: string, appliesTo: string): Exception => ({
  ...{ name: "wide", rule, appliesTo, owner: "ada", reason: "Because.", expires: "2026-12-31" },
});

test("at the environment's own entry a requirement excuses nothing: it takes the name of a rule", () => {
  const [rule] = rules.filter(({ name }) => name === "policies-written-by-deploy");
  assert.ok(rule);
  assert.equal(isAbout(exceptionOf("R7", "titan/ledger"), rule, "staging"), true);
  assert.equal(isAbout(exceptionOf("R7", "staging"), rule, "staging"), false);
  assert.equal(isAbout(exceptionOf(rule.name, "staging"), rule, "staging"), true);
});

test("what could then not be judged at all, and what is a leak already, no exception excuses", () => {
  const absolute = rules.filter((rule) => !isAbout(exceptionOf(rule.name, "titan/ledger"), rule, "staging"));
  assert.deepEqual(absolute.map(({ name }) => name).sort(), [
    "aws-document-readable",
    "policy-readable",
    "state-no-live-value",
    "state-type-judged",
  ]);
});
