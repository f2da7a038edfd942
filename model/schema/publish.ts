import { z } from "zod";
import { Organization } from "./organization.ts";
import { System } from "./system.ts";

/**
 * The JSON Schema that editors complete from; catalogue/schema.json holds it. A file that says `system` is a
 * system, any other the organization. It says what a file may hold; what refers to something else is checked
 * by `keyplane validate`.
 */
export function publishedSchema(): object {
  const { $schema, $defs } = z.toJSONSchema(z.union([Organization, System]), { io: "input" });
  return {
    $schema,
    title: "Keyplane catalogue",
    allOf: [
      { if: { required: ["system"] }, else: { $ref: "#/$defs/Organization" } },
      { if: { not: { required: ["system"] } }, else: { $ref: "#/$defs/System" } },
    ],
    $defs,
  };
}
