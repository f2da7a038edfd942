/** Run by the tests as a process of its own: finds `gadget` with the settings in its argument. */
import { Toolchain } from "../../../local/toolchain/toolchain.ts";

const toolchain = new Toolchain<"gadget">(JSON.parse(process.argv[2] ?? ""));
const file = await toolchain.find("gadget", (step) => process.stderr.write(`${step.state}: ${step.text}\n`));
process.stdout.write(file);
