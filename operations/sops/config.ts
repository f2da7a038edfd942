import type { Model } from "../../model/model.ts";

/** Folder of the Git bootstrap, beside the catalogue's. */
export const folder = "bootstrap";

/** The file of one environment, relative to the folder that holds the catalogue's folder. */
export function bootstrapFile(environment: string): string {
  return `${folder}/${environment}.enc.yaml`;
}

/**
 * The text of `.sops.yaml`: one creation rule per environment, in the order given, to that environment's
 * recipients (R4). Only public halves. Whoever is no longer in the catalogue is no longer in here.
 */
export function sopsConfig(models: Pick<Model, "environment" | "recipients">[]): string {
  const rules = models.flatMap(({ environment, recipients }) =>
    recipients.length === 0
      ? []
      : [
          `  - path_regex: ^${literally(bootstrapFile(environment))}$`,
          "    age:",
          ...recipients.map(({ person, age }) => `      - ${age} # ${person}`),
        ],
  );
  return [
    "# Made from the catalogue's people by `keyplane sops config`; do not edit.",
    ...(rules.length === 0 ? ["creation_rules: []"] : ["creation_rules:", ...rules]),
    "",
  ].join("\n");
}

function literally(path: string): string {
  return path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
