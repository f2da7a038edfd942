import type { Path } from "../load/node.ts";
import type { DeliveryEntry } from "../schema/delivery.ts";
import type { SecretEntry } from "../schema/secret.ts";
import type { ServiceEntry } from "../schema/system.ts";
import type { Subject } from "./subject.ts";

type To = DeliveryEntry["to"];

/** Ways by which something logs in as the service and reads its path: Vault's audit shows that it has. */
const audited: To[] = ["vault-agent", "vault-secrets-operator"];
/** Ways of which the service's host shows what came of them. */
const seen: To[] = ["compose-secrets", "vault-agent", "env-file", "files"];

/**
 * The source that shows the old value unused has to see every consumer: one that it cannot see would block each rotation
 * before its end, or be cut off.
 */
export function checkIdle({ file, system }: Subject, place: Path, { idle, consumers }: SecretEntry): void {
  if (idle !== "audit" && idle !== "sinks") return;
  const visible = idle === "audit" ? audited : seen;
  const ways = Object.keys(consumers ?? {}).flatMap((service) =>
    waysOf(system.services?.[service]).map((to) => ({ service, to })),
  );
  const hidden = ways.filter(({ to }) => !visible.includes(to));
  if (hidden.length === 0) return;
  const what = hidden.map(({ service, to }) => `${service} (${to})`).join(", ");
  const other = idle === "audit" ? seen : audited;
  const fixes = [
    ...(ways.every(({ to }) => other.includes(to)) ? [idle === "audit" ? "sinks" : "audit"] : []),
    "{ metric: NAME }",
  ];
  file.reportValue(
    [...place, "idle"],
    idle === "audit"
      ? `Vault's audit shows no read by ${what}: write ${fixes.join(", ")} or none`
      : `nothing shows what ${what} runs: write ${fixes.join(", ")} or none`,
  );
}

/** As said, or the platform's usual way. */
function waysOf(service: ServiceEntry | undefined): To[] {
  if (service?.deliver !== undefined) return service.deliver.map(({ to }) => to);
  if (service === undefined || service["runs-on"] === "paas") return [];
  return [service["runs-on"] === "kubernetes" ? "vault-secrets-operator" : "vault-agent"];
}
