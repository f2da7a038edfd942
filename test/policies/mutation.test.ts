import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../../policies/judge.ts";
import { type Declared, seen } from "../../policies/resource.ts";
import { isStackRule } from "../../policies/rule.ts";
import { rules } from "../../policies/rules.ts";
import { mutants } from "./mutation.ts";
import { realState } from "./real.ts";

/** Mutants that no rule reports, each with the reason why it harms nobody. */
const harmless: [what: RegExp, reason: string][] = [
  [/^keyplane:.* removed$/, "a component declares nothing by itself; its parts are mutated as well"],
  [/\.description (dropped|emptied|widened|wildcard)$/, "a description is for readers"],
  [
    /AuthBackend\.accessor (dropped|emptied|widened|wildcard)$/,
    "Vault makes accessors; of machines' nobody needs one",
  ],
  [/:Entity\.metadata/, "the address is for readers; who someone is stands in the alias"],
  [
    /:Entity removed$/,
    "the alias goes with its person in the program, and a person without one cannot log in",
  ],
  [/:Group removed$|:Group\.memberEntityIds emptied$/, "a right less; who is in no group is reported"],
  [/:MfaTotp\.issuer/, "a label in people's apps"],
  [/:MfaTotp\.skew zero$/, "stricter"],
  [
    /AuthBackendRole\.resolveAwsUniqueIds (dropped|widened)$/,
    "of the local stack alone, whose emulator has no ids",
  ],
  [/:QuotaRateLimit\.interval widened$/, "a lower rate: stricter"],
  [/:SecretBackendV2\.deleteVersionAfter dropped$/, "Vault's default is 0 as well"],
  [/jwt.*\.tokenNoDefaultPolicy/, "of service tokens: the default policy is judged by itself"],
  [/:SecretBackendRole\.tokenPeriod added$/, "not an argument of a database role"],
  [/Role removed$|:Policy removed$|:AuthBackendConfig removed$/, "a login or a right less"],
  [
    /:(Mount|AuthBackend|SecretBackendKey|SecretBackendConnection) removed$/,
    "protected: the engine refuses it",
  ],
  [
    /:Policy\.(every source|every system's values|policy writing) added$/,
    "keyplane.rotate and keyplane.deploy have that right",
  ],
];

/** Enough of each type to see all its forms. */
const perType = 4;

const own = rules.filter((rule) => !isStackRule(rule));
const whole = rules.filter(isStackRule);
const reports = new Map<string, number>();
const survivors: { what: string; of: string }[] = [];

for (const environment of ["local", "production"] as const) {
  const state = await realState(environment);
  const resources = state.map(seen);
  const seenOf = new Map<string, number>();
  const judged = (mutated: typeof resources, declared?: Declared) => {
    const findings = [
      ...(declared === undefined ? [] : judge(own, [seen(declared)])),
      ...judge(whole, mutated),
    ];
    for (const { rule, verdict } of findings) {
      if (verdict === "violated") reports.set(rule.name, (reports.get(rule.name) ?? 0) + 1);
    }
    return findings.length;
  };
  for (const [index, resource] of state.entries()) {
    // The suites in aws/ show what the rules of AWS report.
    if (resource.type.startsWith("aws:") || resource.type.startsWith("keyplane:aws:")) continue;
    const count = (seenOf.get(resource.type) ?? 0) + 1;
    seenOf.set(resource.type, count);
    if (count > perType && !/:(Policy|Group)$/.test(resource.type)) continue;
    const of = `${environment} ${resource.name}`;
    for (const { what, resource: mutant } of mutants(resource)) {
      if (judged(resources.with(index, seen(mutant)), mutant) === 0) survivors.push({ what, of });
    }
    if (judged(resources.toSpliced(index, 1)) === 0) survivors.push({ what: `${resource.type} removed`, of });
  }
}

test("every mutation of the shipped program is reported by a rule, or is harmless for a reason", () => {
  const odd = survivors.filter(({ what }) => !harmless.some(([pattern]) => pattern.test(what)));
  assert.deepEqual(odd, []);
});

test("every reason for a harmless mutation is needed", () => {
  const idle = harmless.filter(([pattern]) => !survivors.some(({ what }) => pattern.test(what)));
  assert.deepEqual(idle, []);
});

test("a value that is not known before the update is never taken for right", () => {
  assert.deepEqual(
    survivors.filter(({ what }) => what.endsWith(" unknown")),
    [],
  );
});

test("every rule reports at least one mutation of the shipped program: none judges nothing", () => {
  assert.deepEqual(
    rules
      .map(({ name }) => name)
      .filter((name) => !reports.has(name))
      // infra/ declares nothing there yet: their own suites show what they report.
      .filter((name) => !/^(aws|kubernetes)-/.test(name)),
    [],
  );
});

test("of the policies, only the engine's and the deploy role's may have more than one system's values or write policies", () => {
  const widened = survivors.filter(({ what }) => /:Policy\.(every|policy writing)/.test(what));
  assert.deepEqual(
    [
      ...new Set(widened.map(({ what, of }) => `${of.split(" ")[1]}: ${what.split(".").slice(1).join(".")}`)),
    ].sort(),
    [
      "keyplane.deploy: policy writing added",
      "keyplane.rotate: every source added",
      "keyplane.rotate: every system's values added",
    ],
  );
});
