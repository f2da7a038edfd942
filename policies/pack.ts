import type { Excuse } from "./excuse.ts";
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
    const reading = readExcuses(catalogue, environment);
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

/** A program that nothing is wrong with never needs what reads the catalogue, which takes longer to load than all rules. */
async function readExcuses(catalogue: string, environment: string): Promise<Excuse> {
  const [{ loadCatalogue }, { derive }, { excuses }] = await Promise.all([
    import("../model/catalogue.ts"),
    import("../model/derive.ts"),
    import("./excuse.ts"),
  ]);
  return excuses(derive(await loadCatalogue(catalogue), environment), new Date().toISOString().slice(0, 10));
}
