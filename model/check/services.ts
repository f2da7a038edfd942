import { seconds } from "../duration.ts";
import type { Path } from "../load/node.ts";
import { quote } from "../load/quote.ts";
import type { DeliveryEntry } from "../schema/delivery.ts";
import type { ServiceEntry } from "../schema/system.ts";
import type { Subject } from "./subject.ts";

/** A rotation that observes its consumers for an hour is called stuck. */
const longestSettling = seconds("30m");

type RunsOn = ServiceEntry["runs-on"];

const hosts: RunsOn[] = ["compose", "supervisor"];

/** Where each way of delivery works. */
const places: Record<DeliveryEntry["to"], RunsOn[]> = {
  "compose-secrets": ["compose"],
  "vault-agent": [...hosts, "kubernetes"],
  "env-file": hosts,
  files: hosts,
  "kubernetes-secret": ["kubernetes"],
  "vault-secrets-operator": ["kubernetes"],
  railway: ["paas"],
  fly: ["paas"],
  render: ["paas"],
  heroku: ["paas"],
  "github-actions": [],
};

/**
 * A service says what its platform needs (Kubernetes account, PaaS delivery, owner of its files, R45) and is delivered to in
 * a way that works there. Problems are reported at their place in the file.
 */
export function checkServices({ file, system }: Subject): void {
  for (const [name, entry] of Object.entries(system.services ?? {})) {
    const place = ["services", name];
    const runsOn = entry["runs-on"];
    if (runsOn === "kubernetes" && entry.kubernetes === undefined) {
      file.report([...place, "kubernetes"], "is missing: write { namespace: …, service-account: … }");
    } else if (runsOn !== "kubernetes" && entry.kubernetes !== undefined) {
      file.report(
        [...place, "kubernetes"],
        `belongs to runs-on: kubernetes, not ${runsOn}: remove one of the two`,
        "key",
      );
    }
    if (runsOn === "paas" && entry.deliver === undefined) {
      file.report([...place, "deliver"], "is missing: write [{ to: railway, … }] or another PaaS");
    }
    if (hosts.includes(runsOn) && entry.user === undefined) {
      file.report([...place, "user"], "is missing: write the uid or user name that owns its files (R45)");
    }
    if (entry.settles !== undefined && seconds(entry.settles) > longestSettling) {
      file.reportValue([...place, "settles"], "write at most 30m");
    }
    const { observe } = entry;
    if (
      observe !== undefined &&
      observe !== "none" &&
      observe.pattern !== undefined &&
      observe.log === undefined
    ) {
      file.report(
        [...place, "observe", "pattern"],
        "is of a log, which is not named: write log: PATH beside it",
        "key",
      );
    }
    for (const [index, { to }] of (entry.deliver ?? []).entries()) {
      checkPlace({ file }, [...place, "deliver", index, "to"], to, runsOn);
    }
  }
}

function checkPlace(
  { file }: Pick<Subject, "file">,
  path: Path,
  to: DeliveryEntry["to"],
  runsOn: RunsOn,
): void {
  if (places[to].includes(runsOn)) return;
  const fitting = Object.entries(places).flatMap(([name, on]) => (on.includes(runsOn) ? [name] : []));
  file.report(
    path,
    `is ${quote(to)}, which does not reach a service on ${runsOn}: write one of ${fitting.join(", ")}`,
  );
}
