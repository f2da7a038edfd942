import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { rules } from "../../policies/rules.ts";
import { harmless } from "./harmless.ts";
import { isFor, mutateProgram, reasonFor } from "./mutated.ts";
import { mutationTable } from "./mutation-table.ts";
import { environments, realState } from "./real.ts";

const outcomes = await mutateProgram();
const survived = [...outcomes].filter(([, { survivors }]) => survivors.length > 0);

test("every mutation of the shipped program is reported by a rule, or is harmless for a reason", () => {
  const odd = survived
    .map(([what, { survivors }]) => ({
      what,
      at: survivors.filter((place) => reasonFor(what, place) === undefined),
    }))
    .filter(({ at }) => at.length > 0)
    .map(({ what, at }) => `${what}: ${at.slice(0, 3).join(", ")}`);
  assert.deepEqual(odd, []);
});

test("every reason for a harmless mutation is needed", () => {
  const idle = harmless.filter(
    (reason) =>
      !survived.some(([what, { survivors }]) => survivors.some((place) => isFor(reason, what, place))),
  );
  assert.deepEqual(idle, []);
});

test("what nobody reports the removal of because the engine refuses it is protected, everywhere", async () => {
  const unprotected: string[] = [];
  for (const environment of environments) {
    const state = await realState(environment);
    for (const [what, { survivors }] of survived) {
      if (!reasonFor(what, survivors[0] ?? "")?.startsWith("protected")) continue;
      const type = what.replace(/ removed$/, "");
      const spared = state.filter(
        (each) => each.type === type && survivors.includes(`${environment} ${each.name}`),
      );
      unprotected.push(...spared.filter(({ protect }) => !protect).map(({ name }) => `${what} ${name}`));
    }
  }
  assert.deepEqual(unprotected, []);
});

test("no policy of a secret denies, and no document asks for the context that bucket keys change: two reasons rest on it", async () => {
  for (const environment of environments) {
    for (const { type, inputs } of await realState(environment)) {
      const document = String(inputs.policy ?? "");
      if (type.endsWith(":SecretPolicy")) assert.doesNotMatch(document, /"Effect":"Deny"/);
      assert.doesNotMatch(document, /EncryptionContext:aws:s3/);
    }
  }
});

test("a value that is not known before the update is pending, everywhere: it is never taken for right", () => {
  const passed = [...outcomes].filter(([what, each]) => what.endsWith(" unknown") && each.passed.length > 0);
  assert.deepEqual(
    passed.map(([what]) => what),
    [],
  );
});

test("whatever a rule judges once it is known is pending by that rule before, and not only by the one that looks at every value", () => {
  const odd: string[] = [];
  for (const [what, { survivors }] of survived.filter(([what]) => what.endsWith(" unknown"))) {
    const property = what.replace(/unknown$/, "");
    for (const kind of ["dropped", "emptied", "widened", "wildcard", "zero", "another"]) {
      const known = outcomes.get(`${property}${kind}`);
      if (known === undefined) continue;
      const judged = survivors.filter((of) => !known.survivors.includes(of));
      if (judged.length > 0) odd.push(`${property}${kind}: ${judged[0]}`);
    }
  }
  assert.deepEqual(odd, []);
});

test("every rule reports at least one mutation of the shipped program: none judges nothing", () => {
  const reporting = new Set([...outcomes.values()].flatMap(({ rules }) => [...rules]));
  const declared = new Set([...outcomes.keys()].map((what) => /^[^. ]+/.exec(what)?.[0] ?? ""));
  assert.deepEqual(
    rules
      .filter(({ name }) => !reporting.has(name))
      // What the program does not declare is shown by the suites of its subject.
      .filter(({ types = [] }) => types.length === 0 || types.some((type) => declared.has(type)))
      .map(({ name }) => name),
    [],
  );
});

test("of the policies, only the engine's reaches every source and only the deploy role's writes policies", () => {
  const widened = survived.filter(([what]) => /:Policy\.(every|policy writing)/.test(what));
  const names = widened.flatMap(([what, { survivors }]) =>
    survivors.map((of) => `${of.split(" ")[1]}: ${what.split(".").slice(1).join(".")}`),
  );
  assert.deepEqual([...new Set(names)].sort(), [
    "keyplane.deploy: policy writing added",
    "keyplane.rotate: every source added",
  ]);
});

test("the table of mutations is that of the program; `node test/policies/write-mutations.ts` writes it anew", () => {
  assert.equal(readFileSync("policies/mutations.md", "utf8"), mutationTable(outcomes));
});
