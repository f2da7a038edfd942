import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { exitCode, ofPulumi, UsageError } from "../../cli/exit.ts";
import { VaultError, VaultUnreachableError } from "../../clients/vault.ts";
import { HeldError, HomeError, ServicesDownError } from "../../local/services/errors.ts";
import { CatalogueError } from "../../model/catalogue.ts";
import { AgeError } from "../../operations/age.ts";
import { EnrolmentError } from "../../operations/enrol.ts";
import { meanings } from "../../operations/errors.ts";
import { LoginError } from "../../operations/login.ts";
import { ProblemsError } from "../../operations/problem.ts";
import { ValueError } from "../../operations/values/check.ts";
import { ConflictError } from "../../operations/values/kv.ts";
import { UnknownNameError } from "../../operations/values/set.ts";

const place = [{ file: "f", line: 1, column: 1, message: "m" }];

const cases: [string, unknown, number][] = [
  ["a wrong catalogue", new CatalogueError(place), 2],
  ["a wrong bootstrap", new ProblemsError(place), 2],
  ["wrong usage", new UsageError("m"), 2],
  ["an unknown name", new UnknownNameError("m"), 2],
  ["a weak value", new ValueError("m"), 2],
  ["an age recipient that age refuses", new AgeError("m"), 2],
  ["an enrolment that was done before", new EnrolmentError("m"), 2],
  ["a folder that is not ours", new HomeError("m"), 2],
  ["what Vault refuses", new VaultError("GET", "p", 403, []), 2],
  ["a sealed Vault", new VaultError("GET", "p", 503, []), 3],
  ["a Vault that limits the rate", new VaultError("GET", "p", 429, []), 3],
  ["a Vault that is not there", new VaultUnreachableError("m"), 3],
  ["a local stack that is down", new ServicesDownError("m"), 3],
  ["no way to log in", new LoginError("m"), 3],
  ["someone else who wrote at the same time", new ConflictError("m"), 4],
  ["another command that works on the same folder", new HeldError("m"), 4],
  ["an interruption", new DOMException("m", "AbortError"), 4],
  ["an error that nobody foresaw", new Error("m"), 4],
  ["an error with a foreseen cause", new Error("m", { cause: new VaultUnreachableError("m") }), 3],
  [
    "several errors: the most severe",
    new AggregateError([new UsageError("m"), new VaultUnreachableError("m")]),
    3,
  ],
  ["what is no error at all", "m", 4],
];

for (const [what, error, code] of cases) {
  test(`exit code ${code} for ${what}`, () => {
    assert.equal(exitCode(error), code);
  });
}

test("every error of ours stands in the one table that its exit code and its words follow from", () => {
  const files = globSync("{model,clients,infra,operations,local,cli}/**/*.ts");
  const names = files.flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/override name = "(\w+)"/g)].map((match) => match[1] ?? ""),
  );
  assert.ok(names.length > 15);
  assert.deepEqual(
    names.filter((name) => !Object.hasOwn(meanings, name)),
    [],
  );
});

test("Pulumi's own end is none of a finding, but for what its policies or --expect-no-changes say", () => {
  const meant: Record<number, number> = {
    0: 0,
    1: 4,
    2: 2,
    3: 3,
    4: 4,
    5: 1,
    6: 2,
    7: 1,
    8: 4,
    9: 3,
    130: 4,
    255: 4,
  };
  for (const [code, expected] of Object.entries(meant)) assert.equal(ofPulumi(Number(code)), expected, code);
});
