// The policy pack that the engine runs beside an update. Nothing else constructs it: it starts a server.
import { resolve } from "node:path";
import { PolicyPack, type ResourceValidationPolicy, type StackValidationPolicy } from "@pulumi/policy";
import { loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import { type Excuse, excuses } from "./excuse.ts";
import { isStackRule, type ResourceRule, type Rule, type StackRule } from "./rule.ts";
import { rules } from "./rules.ts";

const catalogue = resolve(import.meta.dirname, "..", process.env.KEYPLANE_CATALOGUE ?? "catalogue");

/** By environment; read once, at the first violation. A catalogue that cannot be read stops the update. */
const read = new Map<string, Promise<Excuse>>();

/** The stack of a URN is named `<environment>` or `<environment>.<part>`. */
function excuseOf(urn: string): Promise<Excuse> {
  const [environment = ""] = (urn.split(":")[2] ?? "").split(".");
  const before = read.get(environment);
  if (before !== undefined) return before;
  const reading = loadCatalogue(catalogue).then((loaded) =>
    excuses(derive(loaded, environment), new Date().toISOString().slice(0, 10)),
  );
  read.set(environment, reading);
  return reading;
}

function statement({ name, sentence, severity, fix, controls }: Rule) {
  return {
    name,
    description: sentence,
    severity,
    remediationSteps: fix,
    tags: [...controls],
    enforcementLevel: "mandatory" as const,
  };
}

function resourcePolicy(rule: ResourceRule): ResourceValidationPolicy {
  return {
    ...statement(rule),
    // What is not known yet makes the SDK report the judgement as not made; ours stops there as well.
    validateResource: async ({ type, urn, name, props, opts }, report) => {
      if (rule.types.length > 0 && !rule.types.includes(type)) return;
      for (const message of rule.judge({ urn, type, name, props, protect: opts.protect })) {
        if ((await excuseOf(urn))(rule, urn) === undefined) report(`${message}. ${rule.fix}`);
      }
    },
  };
}

function stackPolicy(rule: StackRule): StackValidationPolicy {
  return {
    ...statement(rule),
    validateStack: async ({ resources }, report) => {
      const seen = resources.map(({ type, urn, name, props, opts }) => ({
        type,
        urn,
        name,
        props,
        protect: opts.protect,
      }));
      const [first] = seen;
      if (first === undefined) return;
      for (const { message, urn } of rule.judgeStack(seen)) {
        if ((await excuseOf(first.urn))(rule, urn) === undefined) report(`${message}. ${rule.fix}`, urn);
      }
    },
  };
}

new PolicyPack("keyplane", {
  description: "What must hold of every resource of a secrets platform.",
  policies: rules.map((rule) => (isStackRule(rule) ? stackPolicy(rule) : resourcePolicy(rule))),
});
