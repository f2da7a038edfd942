// The policy pack that the engine runs beside an update. Nothing else imports it: it starts a server, and says its
// port on standard output.
import { resolve } from "node:path";
import { loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import { type Excuse, excuses } from "./excuse.ts";
import { rules } from "./rules.ts";
import { serve } from "./serve.ts";

const catalogue = resolve(import.meta.dirname, "..", process.env.KEYPLANE_CATALOGUE ?? "catalogue");

/** By environment; read once, at the first violation. A catalogue that cannot be read stops the update. */
const read = new Map<string, Promise<Excuse>>();

/** A stack is named `<environment>` or `<environment>.<part>`. */
function excuseOf(stack: string): Promise<Excuse> {
  const [environment = ""] = stack.split(".");
  const before = read.get(environment);
  if (before !== undefined) return before;
  const reading = loadCatalogue(catalogue).then((loaded) =>
    excuses(derive(loaded, environment), new Date().toISOString().slice(0, 10)),
  );
  read.set(environment, reading);
  return reading;
}

const port = await serve({
  name: "keyplane",
  version: "0.1.0",
  description: "What must hold of every resource of a secrets platform.",
  rules,
  excuse: async (stack, rule, urn) => (await excuseOf(stack))(rule, urn),
});
console.log(port);

// The engine holds the other end of standard input: when it is killed, its pack must not stay behind.
process.stdin.on("end", () => process.exit()).resume();
