/** Writes catalogue/schema.json: `node model/schema/write.ts`, after the schema has changed. */
import { writeFileSync } from "node:fs";
import { publishedSchema } from "./publish.ts";

writeFileSync("catalogue/schema.json", `${JSON.stringify(publishedSchema(), null, 2)}\n`);
