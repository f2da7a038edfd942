import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import { Baseline, baselineFile, writeBaseline } from "../../../operations/scan/baseline.ts";
import { json } from "../../../operations/scan/output/json.ts";
import { sarif } from "../../../operations/scan/output/sarif.ts";
import { table } from "../../../operations/scan/output/table.ts";
import { scanPaths, scanTracked } from "../../../operations/scan/scan.ts";
import { annotation } from "../../../policies/output/annotations.ts";
import { CanarySearch } from "../../integration/support/canary-search.ts";
import { corpus, writeCorpus } from "./corpus/corpus.ts";
import { sample } from "./plant.ts";
import { TestRepository } from "./repositories.ts";

const made = corpus(4);
const repository = await TestRepository.make();
await writeCorpus(repository.root, made);
const result = await scanPaths([repository.root], { cwd: repository.root });

test("no output holds a value, in any form: text, JSON, SARIF, annotations, baseline (R54)", async () => {
  await writeBaseline(repository.root, result.findings);
  const outputs = {
    table: table(result),
    json: JSON.stringify(json(result)),
    sarif: JSON.stringify(sarif(result)),
    annotations: result.findings.map(({ kind, message }) => annotation("error", kind.id, message)).join("\n"),
    baseline: await readFile(join(repository.root, baselineFile), "utf8"),
  };
  assert.ok(result.findings.length > 300);
  const values = new Set(made.planted.flatMap(({ value }) => [value, ...value.split(/[^A-Za-z0-9]+/)]));
  const search = new CanarySearch(
    [...values]
      .filter((value) => value.length >= 8 && /\d/.test(value))
      .map((value, index) => ({ name: `value ${index}`, value })),
  );
  for (const [name, text] of Object.entries(outputs)) {
    assert.deepEqual(search.in({ name, content: Buffer.from(text) }), [], name);
  }
});

test("JSON says kind, place, message and fix of a finding, and nothing else of it", () => {
  const [first] = json(result).findings;
  assert.deepEqual(Object.keys(first ?? {}).sort(), ["column", "fix", "kind", "line", "message", "path"]);
});

test("SARIF is valid against the schema of 2.1.0, and each result has its own fingerprint", () => {
  const file = createRequire(import.meta.url).resolve(
    "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json",
  );
  const { $schema: _, id: __, ...schema } = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile(schema);
  const document = sarif(result);
  validate(document);
  assert.deepEqual(validate.errors, null);
  const prints = document.runs[0]?.results.map(
    ({ partialFingerprints }) => partialFingerprints["keyplaneScan/v1"],
  );
  assert.equal(new Set(prints).size, result.findings.length);
});

test("people are told the place, the fix, and to rotate before purging (R70)", async () => {
  const shop = await TestRepository.make({ "a.py": `x = 1\ny = "${sample("GitHub personal token")}"\n` });
  const lines = table(await scanTracked({ cwd: shop.root })).split("\n");
  assert.deepEqual(lines, [
    "✗ a.py:2:6: github-token: a GitHub token, 40 characters",
    "    fix: revoke it under Settings, Developer settings.",
    "Rotate first: whoever has a copy has the value. Purging it from Git's history is optional, comes last, and ends nothing by itself.",
    "1 finding in 4 scanned, 0.0 MB.",
  ]);
});

test("a file's name cannot write to the terminal", async () => {
  const shop = await TestRepository.make({ "a\u001b[2Jb.txt": `${sample("GitHub personal token")}\n` });
  assert.match(table(await scanTracked({ cwd: shop.root })), /^✗ a\\x1b\[2Jb\.txt:1:1: /);
});

test("a comment on the line, or on the one before, allows a value, and is counted", async () => {
  const token = sample("GitHub personal token");
  const shop = await TestRepository.make({
    "a.py": `a = "${token}"  # pragma: allowlist secret\n# pragma: allowlist nextline secret\nb = "${token}"\nc = "${token}"\n`,
  });
  const { findings, allowed } = await scanTracked({ cwd: shop.root });
  assert.deepEqual([findings.map(({ line }) => line), allowed], [[4], 2]);
});

test("a baseline knows the value in its file, not another one there, nor the same one elsewhere", async () => {
  const [token, other] = [sample("GitHub personal token"), sample("GitHub personal token", 2)];
  const shop = await TestRepository.make({ "a.txt": `${token}\n` });
  await writeBaseline(shop.root, (await scanTracked({ cwd: shop.root })).findings);
  assert.deepEqual((await scanTracked({ cwd: shop.root })).findings, []);
  await shop.commit({ "a.txt": `\n\n${token}\n${other}\n`, "b.txt": `${token}\n` });
  const { findings, known } = await scanTracked({ cwd: shop.root });
  assert.deepEqual([findings.map(({ path, line }) => `${path}:${line}`), known], [["a.txt:4", "b.txt:1"], 1]);
});

test("an entry of the baseline that nothing needs is a finding", async () => {
  const shop = await TestRepository.make({ "a.txt": `${sample("GitHub personal token")}\n` });
  await writeBaseline(shop.root, (await scanTracked({ cwd: shop.root })).findings);
  await shop.commit({ "a.txt": "gone\n" });
  assert.deepEqual(
    (await scanTracked({ cwd: shop.root })).findings.map(({ kind, message }) => `${kind.id}: ${message}`),
    ["baseline-entry-unused: github-token in a.txt is not there any more"],
  );
});

test("a baseline holds 16 bits of a value: 1 of 65,536 guesses fits by chance", async () => {
  const shop = await TestRepository.make({ "a.env.txt": `DB_PASSWORD=${sample("generated password")}\n` });
  await writeBaseline(shop.root, (await scanTracked({ cwd: shop.root })).findings);
  const { known } = JSON.parse(await readFile(join(shop.root, baselineFile), "utf8")) as {
    known: { print: string }[];
  };
  assert.deepEqual(
    known.map(({ print }) => /^[0-9a-f]{4}$/.test(print)),
    [true],
  );
});

test("a file that is no baseline is refused, with its place", async () => {
  const shop = await TestRepository.make({
    [baselineFile]: '{"version":1,"known":[{"path":"a","kind":"b","print":"not hex"}]}',
  });
  await assert.rejects(Baseline.read(shop.root), { name: "BaselineError", message: /known\.0\.print/ });
});
