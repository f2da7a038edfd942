import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { TestRepository } from "../operations/scan/repositories.ts";
import { wide } from "../policies/organization.ts";
import { keyplane } from "./command.ts";

const folder = await mkdtemp(join(tmpdir(), "keyplane-check-"));
after(() => rm(folder, { recursive: true, force: true }));

/** No credentials and no engine on PATH. */
const env = { PATH: "" };

test("`check` of the shipped catalogue exits 0 and says what is pending", async () => {
  const { code, stdout, stderr } = await keyplane(["check", "--environment", "production"], { env });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^\? pending {2}mfa-for-people: /m);
  assert.match(stdout, /production: \d{3} resources, \d+ rules: 0 violated, \d+ pending, 0 excepted\.$/m);
});

test("`check` of a violation exits 1 and writes SARIF, Markdown and annotations", async () => {
  const catalogue = join(folder, "catalogue");
  await cp("catalogue", catalogue, { recursive: true });
  const file = join(catalogue, wide.file);
  await writeFile(file, (await readFile(file, "utf8")).replace(wide.from, wide.to));
  const [sarif, markdown] = [join(folder, "check.sarif"), join(folder, "check.md")];
  const { code, stdout, stderr } = await keyplane(
    ["check", "--environment", "staging", "--catalogue", catalogue].concat([
      "--annotate",
      "--sarif",
      sarif,
      "--markdown",
      markdown,
    ]),
    { env },
  );
  assert.equal(code, 1, stderr);
  assert.match(stdout, /^::error file=\S+systems\/titan\.yaml,line=11,/m);
  assert.match(stdout, /^✗ high {4} \S+\/systems\/titan\.yaml:11:3: approle-network-bound$/m);
  assert.equal((JSON.parse(await readFile(sarif, "utf8")) as { version: string }).version, "2.1.0");
  assert.match(await readFile(markdown, "utf8"), /approle-network-bound/);
});

test("`check --json` is one document with each finding's verdict, rule and place", async () => {
  const { code, stdout } = await keyplane(["check", "--environment", "staging", "--json"], { env });
  const { resources, findings } = JSON.parse(stdout) as {
    resources: number;
    findings: { verdict: string; rule: string; position: { file: string } }[];
  };
  assert.equal(code, 0);
  assert.ok(resources > 100);
  assert.deepEqual([...new Set(findings.map(({ verdict }) => verdict))], ["pending"]);
  assert.ok(findings.every(({ position }) => position.file.startsWith("catalogue/")));
});

test("`check` of an environment that is not there exits 2 and names those that are", async () => {
  const { code, stderr } = await keyplane(["check", "--environment", "stagin"], { env });
  assert.equal(code, 2);
  assert.match(stderr, /no environment "stagin": write one of local, production, staging/);
});

test("`check --evidence` is refused without what the engine's own preview counted: it was judged in this process alone", async () => {
  const words = [
    "check",
    "--environment",
    "staging",
    "--state",
    "--live",
    "--evidence",
    join(folder, "e.json"),
  ];
  const { code, stderr } = await keyplane(words, { env });
  assert.equal(code, 2);
  assert.match(stderr, /--evidence needs --previewed: .*`keyplane judge --record`/);
});

for (const [what, words, code, why] of [
  ["--audit-log without --live", ["--audit-log", "/a"], 2, /--audit-log and --audit-command are for --live/],
  [
    "a second command that is an empty variable",
    ["--live", "--audit-command", "true", ""],
    2,
    /staging has 2 audit devices \(\S+, \S+\), and lines of 1 are given/,
  ],
  [
    "lines of one device where there are two",
    ["--live", "--audit-command", "true"],
    2,
    /staging has 2 audit devices \(\S+, \S+\), and lines of 1 are given: write --audit-log or --audit-command once for each/,
  ],
] as const) {
  test(`\`check\` looks at what it is given: ${what}`, async () => {
    const run = await keyplane(["check", "--environment", "staging", ...words], { env });
    assert.equal(run.code, code, run.stderr);
    assert.match(run.stderr, why);
  });
}

test("`check --previewed` by itself refuses a stack of which no preview was judged", async () => {
  const repository = await TestRepository.make();
  const catalogue = join(repository.root, "catalogue");
  await cp("catalogue", catalogue, { recursive: true });
  repository.git("add", "--all");
  repository.git("commit", "--quiet", "--message", "The catalogue");
  const words = ["check", "--environment", "staging", "--catalogue", catalogue, "--previewed", folder];
  const { code, stderr } = await keyplane(words, { env: { PATH: process.env.PATH ?? "" } });
  assert.equal(code, 1, stderr);
  assert.match(stderr, /no preview of the stack staging was judged: preview it by `keyplane judge/);
});
