import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import type { AwsModel } from "../../../model/aws.ts";
import { loadCatalogueFrom } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";

const names = (await readdir("catalogue", { recursive: true })).filter((name) => name.endsWith(".yaml"));
const files = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await readFile(`catalogue/${name}`, "utf8")] as const)),
);

/** Everything in AWS by its name, once a line of titan's file has become another. */
function named(from: string, to: string) {
  const titan = files["systems/titan.yaml"] ?? "";
  assert.equal(titan.split(from).length, 2, from);
  const changed = loadCatalogueFrom({ ...files, "systems/titan.yaml": titan.replace(from, to) });
  const aws: AwsModel | undefined = derive(changed, "staging").aws;
  assert.ok(aws !== undefined);
  const { secrets, functions, roles, alarms } = aws;
  assert.ok(secrets.length > 0);
  return [
    secrets.map(({ name, function: rotator }) => [name, rotator]),
    functions.map(({ name, role, logGroup }) => [name, role, logGroup]),
    roles.map(({ name, rights }) => [name, rights]),
    alarms.map(({ name }) => name),
  ];
}

for (const [what, from, to] of [
  ["database", "\n  ledger:", "\n  books:\n    renamed-from: ledger\n   "],
  ["database user", "\n      titan-proxy:", "\n      proxy:\n        renamed-from: titan-proxy\n       "],
] as const) {
  test(`a renamed ${what} keeps its secrets, functions and roles in AWS (\`renamed-from\`)`, () => {
    assert.deepEqual(named(from, to), named(from, from));
  });
}
