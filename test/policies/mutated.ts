import { type Finding, judgeOne, judgeTogether } from "../../policies/judge.ts";
import { type Declared, seen } from "../../policies/resource.ts";
import { isStackRule, type Resource, type StackRule } from "../../policies/rule.ts";
import { rules } from "../../policies/rules.ts";
import { vault } from "../../policies/vault/types.ts";
import { harmless } from "./harmless.ts";
import { changes, lookedAt } from "./looked-at.ts";
import { mutants } from "./mutation.ts";
import { environments, realState } from "./real.ts";

/** What became of one kind of mutation, over every resource of the shipped program that has the property. */
export interface Outcome {
  /** Names of the rules that report it as a violation, somewhere. */
  rules: Set<string>;
  /** Names of those that cannot say it before the update, somewhere, beside the one that looks at every value. */
  pending: Set<string>;
  /** Where none of those does: `environment name`, and `/Sid` of a statement. */
  survivors: string[];
  /** Those of them at which not even the one that looks at every value says anything. */
  passed: string[];
}

/** It looks for live values in every property there is, so whatever is unknown is pending by it. */
export const general = "state-no-live-value";

/** `type.property kind` → what became of it. */
export async function mutateProgram(): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const note = (what: string, findings: readonly Finding[], of: string) => {
    const outcome = outcomes.get(what) ?? { rules: new Set(), pending: new Set(), survivors: [], passed: [] };
    outcomes.set(what, outcome);
    const said = findings.filter(({ rule, verdict }) => verdict === "violated" || rule.name !== general);
    for (const { rule, verdict } of said)
      outcome[verdict === "violated" ? "rules" : "pending"].add(rule.name);
    if (said.length === 0) outcome.survivors.push(of);
    if (findings.length === 0) outcome.passed.push(of);
  };
  for (const environment of environments) {
    const state = await realState(environment);
    const resources = state.map(seen);
    const policies = state
      .filter(({ type }) => type === vault.policy)
      .map(({ inputs }) => String(inputs.name))
      .sort();
    const together = rules
      .filter(isStackRule)
      .map((rule) => ({ alone: [rule], places: lookedAt(rule, resources) }));
    for (const [index, resource] of state.entries()) {
      const of = `${environment} ${resource.name}`;
      for (const { what, sid, resource: mutant } of mutants(resource, policies)) {
        const place = sid === undefined ? of : `${of}/${sid}`;
        const changed = changes(resource, mutant);
        const mutated = resources.with(index, seen(mutant));
        const concerned = together.filter(({ places }) => places[index]?.meets(changed));
        note(what, [...judgeOne(rules, seen(mutant)), ...said(concerned, mutated)], place);
      }
      note(`${resource.type} removed`, said(together, resources.toSpliced(index, 1)), of);
      for (const [what, copy] of Object.entries(copies(resource, policies)))
        note(
          `${resource.type} ${what}`,
          [...judgeOne(rules, seen(copy)), ...said(together, [...resources, seen(copy)])],
          of,
        );
    }
  }
  return outcomes;
}

/** What comes of copying a resource in the program, and of forgetting to change all of the copy. */
function copies(resource: Declared, policies: readonly string[]): Record<string, Declared> {
  const copy = { ...resource, urn: `${resource.urn}-copy`, name: `${resource.name}-copy` };
  const { roleName } = resource.inputs;
  if (typeof roleName !== "string") return { twice: copy };
  const other = policies.find((name) => name !== roleName && name.split(".")[0] === roleName.split(".")[0]);
  const inputs = { ...resource.inputs, roleName: other, tokenPolicies: [other] };
  return other === undefined ? { twice: copy } : { twice: copy, "copied for another": { ...copy, inputs } };
}

/** The unmutated program is reported by no rule, so those that see nothing of the mutation have nothing to say. */
function said(judges: readonly { alone: StackRule[] }[], resources: readonly Resource[]): Finding[] {
  return judges.flatMap(({ alone }) => judgeTogether(alone, resources));
}

/**
 * The reason why a mutation that nobody reports harms nobody at a place; undefined where there is none. What is not known
 * before the update is harmless where every value that it may become is: no other mutation of it is reported there.
 */
export function reasonFor(what: string, place: string): string | undefined {
  const property = what.replace(/ unknown$/, "");
  if (property !== what) return reasonFor(`${property} dropped`, place);
  return harmless.find((each) => isFor(each, what, place))?.[1];
}

/** Whether a reason is for a mutation at a place. */
export function isFor([pattern, , at]: (typeof harmless)[number], what: string, place: string): boolean {
  return pattern.test(what) && (at === undefined || at.test(place));
}
