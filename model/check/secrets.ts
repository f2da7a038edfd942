import type { Seconds } from "../duration.ts";
import { seconds } from "../duration.ts";
import { type Kind, kinds } from "../kinds.ts";
import type { Path } from "../load/node.ts";
import type { SecretEntry } from "../schema/secret.ts";
import { checkAccepted, checkBothRead } from "./accepted.ts";
import { checkConsumers, checkTemplates } from "./consumers.ts";
import { checkIdle } from "./idle.ts";
import { checkProbe } from "./probes.ts";
import { checkSlack } from "./slack.ts";
import type { Subject } from "./subject.ts";

/**
 * Each secret is of one kind: its rotation, overlap, generator, fields and consumers keep to what the kind and the provider
 * demand. Problems are reported at their place in the file.
 */
export function checkSecrets(subject: Subject): void {
  for (const [name, entry] of Object.entries(subject.system.secrets ?? {})) {
    const place = ["secrets", name];
    const kind = kinds[entry.kind];
    const fields = [...(entry.fields ?? kind.fields)];
    checkReferences(subject, place, entry);
    checkRotation(subject, place, entry, kind);
    checkGenerator(subject, place, entry, kind);
    checkRoles(subject, name, entry, kind);
    if (entry.fields !== undefined && !kind.otherFields) {
      subject.file.report(
        [...place, "fields"],
        `cannot be chosen: kind ${entry.kind} has ${kind.fields.join(", ")}; remove it`,
        "key",
      );
    }
    if (kind.impact && entry.impact === undefined) {
      subject.file.report(
        [...place, "impact"],
        `is missing: say what a change of this ${entry.kind} key does to people, such as "logs every user out" (R49)`,
      );
    }
    checkTemplates(subject, [...place, "templates"], entry.templates, fields, fields);
    checkTarget(subject, place, entry);
    checkIdle(subject, place, entry);
    checkSlack(subject, place, entry);
    checkProbe(subject, place, entry, Object.keys(entry.consumers ?? {}));
    checkAccepted(subject, place, entry);
    checkBothRead(subject, place, entry);
    const assembled = [...fields, ...(subject.file.names(...place, "templates") ?? [])];
    checkConsumers(subject, [...place, "consumers"], entry.consumers, assembled);
  }
}

/** What only some kinds have: a NATS server's users, ciphertext in a database. */
function checkTarget({ file }: Subject, place: Path, { kind, nats, stored }: SecretEntry): void {
  if (nats !== undefined && kind !== "nats") {
    file.report([...place, "nats"], `belongs to kind: nats, not ${kind}: remove it`, "key");
  }
  if (stored !== undefined && kind !== "fernet") {
    file.report([...place, "stored"], `belongs to kind: fernet, not ${kind}: remove it`, "key");
  }
  checkStored({ file }, [...place, "stored"], stored);
}

/** Ciphertext lies in databases of the same system. */
export function checkStored(
  { file }: Pick<Subject, "file">,
  place: Path,
  stored: SecretEntry["stored"],
): void {
  for (const [index, { database }] of (stored ?? []).entries()) {
    const known = file.names("databases");
    file.checkReference([...place, index, "database"], database, "a database of this system", known);
  }
}

function checkReferences({ file, declared }: Subject, place: Path, { owner, provider }: SecretEntry): void {
  if (owner !== undefined) file.checkReference([...place, "owner"], owner, "a person", declared?.people);
  if (provider === undefined) return;
  file.checkReference(
    [...place, "provider"],
    provider,
    "a provider of the organization",
    declared?.providers,
  );
}

function checkRotation(subject: Subject, place: Path, entry: SecretEntry, kind: Kind): void {
  const { file, organization } = subject;
  const { rotate } = entry;
  const own = [...place, "rotate"];
  const provider = entry.provider === undefined ? undefined : organization?.providers?.[entry.provider];
  const by = rotate.by ?? (kind.generator === undefined ? "hand" : "machine");
  if (by === "machine" && kind.generator === undefined && entry.provider === undefined) {
    file.report(
      [...own, "by"],
      `is "machine", but nothing can make this ${entry.kind}: write by: hand, or name its provider`,
    );
  } else if (by === "machine" && provider?.api === false) {
    const at = rotate.by === undefined ? own : [...own, "by"];
    file.report(
      at,
      `is done by machine, but ${entry.provider} has no API for it: write by: hand (R19)`,
      rotate.by === undefined ? "key" : "value",
    );
  }
  checkPeriod(subject, own, rotate, bounds(kind, provider?.["rotate-within"], entry.provider));
  if (!("least" in kind.overlap)) return;
  const { least, source } = kind.overlap;
  if (rotate.overlap === undefined) {
    file.report(
      [...own, "overlap"],
      `is missing: two values of kind ${entry.kind} are live at once, write ${duration(least)} or more (${source})`,
    );
  } else if (seconds(rotate.overlap) < least) {
    file.reportValue([...own, "overlap"], `write at least ${duration(least)} (${source})`);
  }
}

interface Bound {
  every: Seconds;
  source: string;
}

/** The stricter of what the kind and the provider demand. */
function bounds(kind: Kind, within: string | undefined, provider: string | undefined): Bound {
  if (within === undefined || seconds(within) >= kind.atMost.every) return kind.atMost;
  return { every: seconds(within), source: `R19, the bound of ${provider}` };
}

/** A period within its bound and longer than the overlap, or the acknowledged absence of one. */
export function checkPeriod(
  { file }: Pick<Subject, "file">,
  place: Path,
  rotate: { every?: string | undefined; overlap?: string | undefined; "on-compromise"?: true | undefined },
  atMost: Bound,
): void {
  if (rotate.every === undefined) {
    if (rotate["on-compromise"] === undefined) {
      file.report(
        [...place, "every"],
        `is missing: write ${duration(atMost.every)} or shorter, or on-compromise: true (R20)`,
      );
    }
    return;
  }
  if (seconds(rotate.every) > atMost.every) {
    file.reportValue([...place, "every"], `write at most ${duration(atMost.every)} (${atMost.source})`);
  }
  if (rotate.overlap !== undefined && seconds(rotate.overlap) >= seconds(rotate.every)) {
    file.reportValue([...place, "overlap"], `write less than rotate.every, which is ${rotate.every}`);
  }
}

function checkGenerator({ file }: Subject, place: Path, entry: SecretEntry, kind: Kind): void {
  const { generator } = entry;
  if (generator === undefined) return;
  const own = [...place, "generator"];
  if (kind.generator === undefined || entry.rotate.by === "hand") {
    file.report(own, "makes no value here: remove it, the value is set by hand or by its provider", "key");
    return;
  }
  const bytes = generator.bytes === undefined ? undefined : Number.parseInt(generator.bytes, 10);
  if (entry.kind === "fernet") {
    if (bytes !== undefined && bytes !== 32)
      file.reportValue([...own, "bytes"], "write 32B: a Fernet key has no other size");
    if (generator.encoding !== undefined && generator.encoding !== "fernet") {
      file.reportValue([...own, "encoding"], "write fernet");
    }
    return;
  }
  if (bytes !== undefined && bytes < 32) file.reportValue([...own, "bytes"], "write at least 32B (R65)");
  if (bytes !== undefined && bytes > 1024) file.reportValue([...own, "bytes"], "write at most 1024B");
  if (generator.encoding === "es256") {
    if (entry.kind !== "jwt") {
      file.reportValue([...own, "encoding"], "write hex, base64 or base64url: es256 belongs to kind: jwt");
    } else if (bytes !== undefined) {
      file.report([...own, "bytes"], "belongs to the other encodings: an ES256 key has one size", "key");
    }
  }
  if (generator.encoding === "fernet") {
    file.reportValue([...own, "encoding"], "write hex, base64 or base64url, or kind: fernet");
  }
}

function checkRoles({ file, system }: Subject, name: string, entry: SecretEntry, kind: Kind): void {
  const place = ["secrets", name, "consumers"];
  const consumers = Object.entries(entry.consumers ?? {});
  const readInCi = Object.values(system.ci ?? {}).some(({ reads }) => reads.includes(name));
  if (!kind.roles || (consumers.length === 0 && !readInCi)) return;
  for (const [service, consumer] of consumers) {
    if (consumer?.role === "listener" || consumer?.role === "signer") continue;
    file.report(
      [...place, service],
      "does not say whether it signs or listens: write role: listener or role: signer (R29)",
      "key",
    );
  }
  if (consumers.some(([, consumer]) => consumer?.role === undefined)) return;
  const roles = consumers.map(([, consumer]) => consumer?.role);
  // A job of CI takes the value that is in force, as a signer does.
  if (readInCi) roles.push("signer");
  for (const role of ["listener", "signer"] as const) {
    if (!roles.includes(role))
      file.report(place, `has no ${role}: give one service role: ${role} (R29)`, "key");
  }
}

/** Whole seconds in the longest unit that fits: 86400 is 1d. */
export function duration(time: Seconds): string {
  for (const [unit, length] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
  ] as const) {
    if (time % length === 0) return `${time / length}${unit}`;
  }
  return `${time}s`;
}
