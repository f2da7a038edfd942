import type { Path } from "../load/node.ts";
import type { SecretEntry } from "../schema/secret.ts";
import type { ServiceEntry } from "../schema/system.ts";
import type { Subject } from "./subject.ts";

/**
 * A probe that a secret declares can be asked of each service that reads it, or the catalogue says of the service that
 * nobody can look at it: none goes unasked in silence (R46).
 */
export function checkProbe(
  { file, system, environment }: Subject,
  place: Path,
  { probe, retired }: Pick<SecretEntry, "probe" | "retired">,
  services: string[],
): void {
  if (probe === undefined || "command" in probe || retired !== undefined) return;
  const field = "log" in probe ? "log" : "instances";
  if ("http" in probe && URL.canParse(probe.http)) return;
  const blind = services.filter((name) => {
    const service = system.services?.[name];
    return service !== undefined && service.retired === undefined && !observes(service, field);
  });
  if (blind.length === 0) return;
  file.report(
    [...place, "probe"],
    `is not asked of ${blind.join(", ")} in ${environment}: write observe: { ${shapes[field]} } there, or ` +
      "observe: none where nobody can look at it (R46)",
    "key",
  );
}

const shapes = { log: "log: PATH", instances: "instances: [URL]" };

function observes({ observe }: ServiceEntry, field: "log" | "instances"): boolean {
  return observe === "none" || observe?.[field] !== undefined;
}
