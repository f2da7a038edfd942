import assert from "node:assert/strict";
import { test } from "node:test";
import { controls as published } from "../../policies/controls.ts";
import { exceptionCurrent, exceptionUsed } from "../../policies/exceptions.ts";
import { judge, RuleError } from "../../policies/judge.ts";
import { seen } from "../../policies/resource.ts";
import type { ResourceRule } from "../../policies/rule.ts";
import { rules } from "../../policies/rules.ts";
import { seconds } from "../../policies/value.ts";

const all = [...rules, exceptionCurrent, exceptionUsed];

test("every rule has a name of its own, a full sentence, a fix and a control that it answers for (R72)", () => {
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const { name, sentence, fix, controls } of all) {
    assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)+$/);
    assert.match(sentence, /^[A-Z].*[a-z].*\.$/s, name);
    assert.match(fix, /^[A-Z].*\.$/s, name);
    assert.notEqual(controls.length, 0, name);
  }
});

test("a rule names only controls that are known with their titles, and requirements that there are", () => {
  const unknown = all.flatMap(({ name, controls }) =>
    controls
      .filter((each) => !Object.hasOwn(published, each) && !/^R([1-9]|[1-6]\d|7[0-2])$/.test(each))
      .map((each) => `${name}: ${each}`),
  );
  assert.deepEqual(unknown, []);
});

test("every control that is known is one that a rule answers for", () => {
  const named = new Set<string>(all.flatMap(({ controls }) => controls));
  assert.deepEqual(
    Object.keys(published).filter((each) => !named.has(each)),
    [],
  );
});

test("there are rules for each subject: at least 22 of Vault, 28 of AWS, 8 of Kubernetes, 2 of the state", () => {
  const of = (prefix: string) => rules.filter(({ name }) => name.startsWith(`${prefix}-`)).length;
  const [aws, kubernetes, state] = [of("aws"), of("kubernetes"), of("state")];
  assert.ok(aws >= 28 && kubernetes >= 8 && state >= 2, `${aws} ${kubernetes} ${state}`);
  assert.ok(rules.length - aws - kubernetes - state >= 22);
});

const throwing: ResourceRule = {
  name: "broken-rule",
  sentence: "It holds.",
  severity: "low",
  fix: "None.",
  controls: ["R7"],
  types: [],
  judge: () => {
    throw new TypeError("the rule's own mistake");
  },
};
const resource = seen({ urn: "urn:pulumi:a::b::c::d", type: "c", name: "d", inputs: {}, protect: false });

test("a rule that throws stops everything and says which it was: nothing passes", () => {
  assert.throws(
    () => judge([throwing], [resource]),
    (error: Error) => error instanceof RuleError && /broken-rule.*urn:pulumi:a::b::c::d/.test(error.message),
  );
});

test("what was found wrong before a value was unknown stays found beside the pending", () => {
  const half: ResourceRule = {
    ...throwing,
    *judge({ props }) {
      yield "wrong";
      if (props.unknown === 1) yield "never";
    },
  };
  const unknown = Symbol.for("keyplane.unknown");
  const findings = judge([half], [seen({ ...resource, inputs: { unknown } })]);
  assert.deepEqual(
    findings.map(({ verdict }) => verdict),
    ["violated", "pending"],
  );
});

test("findings come in the order of the resources, whichever their types are", () => {
  const refusing: ResourceRule = { ...throwing, judge: () => ["wrong", "also wrong"] };
  const mixed = ["a", "b", "a", "c", "b"].map((type, place) =>
    seen({ ...resource, inputs: {}, type, urn: `${place}` }),
  );
  assert.deepEqual(
    judge([refusing], mixed).map(({ urn }) => urn),
    ["0", "0", "1", "1", "2", "2", "3", "3", "4", "4"],
  );
});

for (const [text, expected] of [
  ["900", 900],
  ["15m", 900],
  ["1h30m", 5400],
  ["168h", 604_800],
  ["soon", undefined],
  ["1.5h", undefined],
  ["", undefined],
  [Number.NaN, undefined],
] as const) {
  test(`reads the time ${JSON.stringify(text)} as ${expected} s`, () =>
    assert.equal(seconds(text), expected));
}
