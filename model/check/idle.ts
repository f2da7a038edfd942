import { seconds } from "../duration.ts";
import { kinds } from "../kinds.ts";
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
export function checkIdle(subject: Subject, place: Path, entry: SecretEntry): void {
  const { file, system } = subject;
  const { idle, consumers } = entry;
  if (entry.retired !== undefined) return;
  checkNamed(subject, place, entry);
  if (typeof idle === "object") checkCounter(subject, place, entry, idle.metric);
  checkMonitor(subject, place, entry);
  checkLastUse(subject, place, entry);
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

/** Kinds whose old value only our own services see used, so that a counter of theirs is asked. */
const counted: SecretEntry["kind"][] = ["hmac", "token", "jwt", "fernet"];

/**
 * What only our own services see used has nobody else to be asked: while both values are accepted something of theirs has
 * to show the old one unused, or the gap is acknowledged. Else every rotation would stop before it revokes.
 */
function checkNamed({ file }: Subject, place: Path, { kind, rotate, idle, stored }: SecretEntry): void {
  if (rotate.by === "hand" || !counted.includes(kind)) return;
  const own = [...place, "idle"];
  const sources = "sinks, audit or { metric: NAME }, or none where nothing can see it";
  if (kind === "fernet") {
    // Stored ciphertext is counted, whatever stands here.
    if (stored !== undefined || idle === "none" || idle === "sinks") return;
    const text =
      "something has to show that nothing needs the old key: write stored: [{ database: …, table: …, column: … }] " +
      "where ciphertext lies in a database, else idle: sinks, or idle: none where nothing can see it";
    if (idle === undefined) file.report(own, `is missing: ${text}`);
    else file.report(own, `does not see ciphertext: ${text}`);
    return;
  }
  if (idle === "provider" || idle === "sessions") {
    file.reportValue(own, `nothing of kind ${kind} is seen there: write ${sources}`);
    return;
  }
  const usual = kinds[kind].overlap;
  const overlap =
    rotate.overlap === undefined ? ("usual" in usual ? usual.usual : 0) : seconds(rotate.overlap);
  if (idle !== undefined || overlap === 0) return;
  file.report(
    own,
    `is missing: while both values are accepted, for ${rotate.overlap ?? "its overlap"}, something has to show that the old one is unused: write ${sources}`,
  );
}

/** A counter is read at each service that accepts both values, in every environment that rotates it. */
function checkCounter(
  { file, system, environment }: Subject,
  place: Path,
  { kind, rotate, consumers = {} }: SecretEntry,
  metric: string,
): void {
  if (rotate.by === "hand" || !counted.includes(kind)) return;
  const all = Object.entries(consumers);
  const listeners = all.filter(([, consumer]) => consumer?.role === "listener");
  const blind = (listeners.length > 0 ? listeners : all).flatMap(([name]) => {
    const service = system.services?.[name];
    if (service === undefined || service.retired !== undefined) return [];
    const { observe } = service;
    const isRead = observe !== undefined && observe !== "none" && observe.metrics && observe.instances;
    return isRead ? [] : [name];
  });
  if (blind.length === 0) return;
  file.report(
    [...place, "idle"],
    `is a counter, ${metric}, which cannot be read at ${blind.join(", ")} in ${environment}: write observe: { instances: [URL], ` +
      "metrics: PATH } there, or another source for this environment: sinks, audit or none",
    "key",
  );
}

/** nats-server shows who is connected by its monitoring alone. */
function checkMonitor({ file, environment }: Subject, place: Path, entry: SecretEntry): void {
  const { kind, nats, rotate, idle } = entry;
  if (kind !== "nats" || rotate.by === "hand" || idle === "none") return;
  if (nats === undefined || nats.monitor !== undefined) return;
  file.report(
    [...place, "nats", "monitor"],
    `is missing in ${environment}: it alone shows who still uses the old user; write its URL, or idle: none`,
  );
}

/** APIs that do not tell when a key was used (operations/rotation/providers/bybit.ts, rotators/slack.ts). */
const silent: (string | undefined)[] = ["bybit", "slack"];

/** What nobody tells cannot be waited for. */
function checkLastUse({ file, organization }: Subject, place: Path, entry: SecretEntry): void {
  const { provider, rotate, idle } = entry;
  const { api, adapter } = organization?.providers?.[provider ?? ""] ?? {};
  if (rotate.by !== "machine" || api !== true || !silent.includes(adapter) || idle === "none") return;
  file.report(
    [...place, "idle"],
    `cannot be seen: ${provider} does not say when a key was last used; write none`,
    idle === undefined ? "key" : "value",
  );
}

/** As said, or the platform's usual way. */
function waysOf(service: ServiceEntry | undefined): To[] {
  if (service?.deliver !== undefined) return service.deliver.map(({ to }) => to);
  if (service === undefined || service["runs-on"] === "paas") return [];
  return [service["runs-on"] === "kubernetes" ? "vault-secrets-operator" : "vault-agent"];
}
