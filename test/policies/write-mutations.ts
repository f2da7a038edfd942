// Writes policies/mutations.md anew: `node test/policies/write-mutations.ts`.
import { writeFile } from "node:fs/promises";
import { mutateProgram } from "./mutated.ts";
import { mutationTable } from "./mutation-table.ts";

await writeFile("policies/mutations.md", mutationTable(await mutateProgram()));
