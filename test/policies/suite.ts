import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { judge } from "../../policies/judge.ts";
import { seen } from "../../policies/resource.ts";
import { isStackRule, type Props, type Rule } from "../../policies/rule.ts";
import { unknown } from "../../policies/unknown.ts";

/** A resource of a test: its type, what it is told, and whether it is protected (it is, unless said). */
export interface Example {
  type: string;
  props: Props;
  protect?: boolean;
}

/** What is changed, by path ("tune.maxLeaseTtl"); `undefined` takes it away, `@protect` the protection. */
export type Patch = Record<string, unknown>;

/** Title → the change that makes it wrong, and every message that the rule gives then. */
export type Cases = Record<string, [patch: Patch, messages: string[]]>;

/** The findings of one rule on examples, as verdict and message. */
export function findings(rule: Rule, examples: readonly Example[]): string[] {
  const resources = examples.map(({ type, props, protect }, index) =>
    seen({
      urn: `urn:pulumi:production::keyplane::${type}::n${index}`,
      type,
      name: `n${index}`,
      inputs: props,
      protect: protect ?? true,
    }),
  );
  return judge([rule], resources).map(({ verdict, message }) =>
    verdict === "pending" ? "pending" : message,
  );
}

/** An example with changes. */
export function changed({ type, props, protect = true }: Example, patch: Patch): Example {
  const { "@protect": protection, ...places } = patch;
  let inputs: Props = props;
  for (const [path, value] of Object.entries(places)) inputs = put(inputs, path.split("."), value);
  return { type, props: inputs, protect: protection === undefined ? protect : protection === true };
}

function put(props: Props, [key = "", ...rest]: string[], value: unknown): Props {
  if (rest.length > 0) return { ...props, [key]: put((props[key] ?? {}) as Props, rest, value) };
  const { [key]: _, ...others } = props;
  return value === undefined ? others : { ...others, [key]: value };
}

/**
 * The promises of a rule of single resources: `right` passes, each wrong form gives exactly its messages, and
 * whatever is refused when it is unset is pending, not passed, while it is unknown.
 */
export function ruleSuite(rule: Rule, right: Example, cases: Cases): void {
  suite(`${rule.name}: ${rule.sentence}`, () => {
    test("passes what is right", () => assert.deepEqual(findings(rule, [right]), []));
    for (const [title, [patch, messages]] of Object.entries(cases)) {
      test(`refuses: ${title}`, () => {
        assert.notEqual(messages.length, 0);
        assert.deepEqual(findings(rule, [changed(right, patch)]), messages);
      });
    }
    test("leaves other types alone", () => {
      if (!isStackRule(rule) && rule.types.length === 0) return;
      assert.deepEqual(findings(rule, [{ type: "pulumi:pulumi:Stack", props: {} }]), []);
    });
    const places = Object.keys(right.props).filter(
      (key) =>
        !findings(rule, [changed(right, { [key]: undefined })]).every((message) => message === "pending"),
    );
    if (places.length > 0) {
      test(`is pending while ${places.join(", ")} is unknown`, () => {
        for (const key of places) {
          assert.ok(findings(rule, [changed(right, { [key]: unknown })]).includes("pending"), key);
        }
      });
    }
  });
}
