import { loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import { type Excuse, excuses } from "./excuse.ts";
import { rules } from "./rules.ts";
import type { Pack } from "./serve.ts";

/** All rules, with the exceptions of the catalogue in a folder. */
export function packOf(catalogue: string): Pack {
  /** By environment; read once, at the first violation. A catalogue that cannot be read stops the update. */
  const read = new Map<string, Promise<Excuse>>();
  /** A stack is named `<environment>` or `<environment>.<part>`. */
  const excuseOf = (stack: string): Promise<Excuse> => {
    const [environment = ""] = stack.split(".");
    const before = read.get(environment);
    if (before !== undefined) return before;
    const reading = loadCatalogue(catalogue).then((loaded) =>
      excuses(derive(loaded, environment), new Date().toISOString().slice(0, 10)),
    );
    read.set(environment, reading);
    return reading;
  };
  return {
    name: "keyplane",
    version: "0.1.0",
    description: "What must hold of every resource of a secrets platform.",
    rules,
    excuse: async (stack, rule, urn) => (await excuseOf(stack))(rule, urn),
  };
}
