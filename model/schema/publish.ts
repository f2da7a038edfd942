import { z } from "zod";
import { Organization } from "./organization.ts";
import { System } from "./system.ts";

/**
 * The JSON Schema that editors complete from, for both kinds of files: catalogue/schema.json holds it. It says
 * what a file may hold; what refers to something else is checked by `keyplane validate`.
 */
export function publishedSchema(): object {
  return z.toJSONSchema(z.union([Organization, System]), { io: "input", reused: "ref" });
}
