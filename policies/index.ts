// The policy pack that the engine runs beside an update. Nothing else imports it: it starts a server, and says its
// port on standard output.
import { resolve } from "node:path";
import { packOf } from "./pack.ts";
import { serve } from "./serve.ts";

const catalogue = resolve(import.meta.dirname, "..", process.env.KEYPLANE_CATALOGUE ?? "catalogue");
console.log((await serve(packOf(catalogue))).port);

// The engine holds the other end of standard input: when it is killed, its pack must not stay behind.
process.stdin.on("end", () => process.exit()).resume();
