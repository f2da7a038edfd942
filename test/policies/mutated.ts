import { judgeOne, judgeTogether } from "../../policies/judge.ts";
import { type Declared, seen } from "../../policies/resource.ts";
import { rules } from "../../policies/rules.ts";
import { vault } from "../../policies/vault/types.ts";
import { harmless } from "./harmless.ts";
import { mutants } from "./mutation.ts";
import { environments, realState } from "./real.ts";

/** What became of one kind of mutation, over every resource of the shipped program that has the property. */
export interface Outcome {
  /** Names of the rules that report it, somewhere. */
  rules: Set<string>;
  /** Resources at which none does, as `environment name`. */
  survivors: string[];
}

/** `type.property kind` → what became of it. */
export async function mutateProgram(): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const note = (what: string, names: string[], of: string) => {
    const outcome = outcomes.get(what) ?? { rules: new Set(), survivors: [] };
    outcomes.set(what, outcome);
    for (const name of names) outcome.rules.add(name);
    if (names.length === 0) outcome.survivors.push(of);
  };
  for (const environment of environments) {
    const state = await realState(environment);
    const resources = state.map(seen);
    const policies = state
      .filter(({ type }) => type === vault.policy)
      .map(({ inputs }) => String(inputs.name))
      .sort();
    for (const [index, resource] of state.entries()) {
      const of = `${environment} ${resource.name}`;
      for (const { what, resource: mutant } of mutants(resource, policies)) {
        note(what, reporting(resources.with(index, seen(mutant)), mutant), of);
      }
      note(`${resource.type} removed`, reporting(resources.toSpliced(index, 1)), of);
    }
  }
  return outcomes;
}

/** The unmutated program is reported by no rule, so only what is about the mutant can be. */
function reporting(resources: ReturnType<typeof seen>[], mutant?: Declared): string[] {
  const alone = mutant === undefined ? [] : judgeOne(rules, seen(mutant));
  return [...alone, ...judgeTogether(rules, resources)].map(({ rule }) => rule.name);
}

/** The reason why a mutation that nobody reports harms nobody; undefined where there is none. */
export function reasonFor(what: string): string | undefined {
  return harmless.find(([pattern]) => pattern.test(what))?.[1];
}
