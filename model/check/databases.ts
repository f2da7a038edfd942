import { day } from "../derive/context.ts";
import { isLoopback } from "../derive/databases.ts";
import { seconds } from "../duration.ts";
import { kinds, longestCredential } from "../kinds.ts";
import type { Path } from "../load/node.ts";
import type { DatabaseEntry, DatabaseUserEntry } from "../schema/database.ts";
import { checkAs, checkConsumers, checkTemplates } from "./consumers.ts";
import { checkProbe } from "./probes.ts";
import { checkPeriod } from "./secrets.ts";
import type { Subject } from "./subject.ts";

/**
 * Databases have a host and TLS in the environment (R53), users join groups that exist, dynamic ones end within an hour
 * (R12), static ones rotate. Problems are reported at their place in the file.
 */
export function checkDatabases(subject: Subject): void {
  for (const [name, entry] of Object.entries(subject.system.databases ?? {})) {
    const place = ["databases", name];
    checkPlaces(subject, place, name, entry);
    const groups = subject.file.names(...place, "groups");
    for (const [user, userEntry] of Object.entries(entry.users ?? {})) {
      const own = [...place, "users", user];
      const group = userEntry["member-of"];
      subject.file.checkReference([...own, "member-of"], group, "a group of this database", groups);
      if (userEntry.rotate === undefined) checkDynamic(subject, own, user, userEntry);
      else {
        checkStatic(subject, own, user, userEntry);
        const isHere = Object.hasOwn(entry.at, subject.environment) && entry.retired === undefined;
        if (isHere) checkProbe(subject, own, userEntry, Object.keys(userEntry.consumers ?? { [user]: null }));
      }
      if (userEntry["secrets-manager"] === undefined || userEntry.rotate === undefined) continue;
      if (Object.hasOwn(entry.at, subject.environment)) {
        checkAccount(subject, [...own, "secrets-manager"]);
      }
    }
  }
}

function checkPlaces(subject: Subject, place: Path, name: string, entry: DatabaseEntry): void {
  const { file, system, declared, organization, environment } = subject;
  for (const at of Object.keys(entry.at)) {
    file.checkReference([...place, "at", at], at, "an environment", declared?.environments, "key");
  }
  if (!Object.hasOwn(entry.at, environment) || organization === undefined) return;
  const own = [...place, "at", environment];
  const at = entry.at[environment];
  const block = organization.environments[environment];
  const host = at?.host ?? block?.postgres?.host;
  if (host === undefined && block?.vault?.address !== undefined) {
    file.report(
      [...own, "host"],
      `is missing: write it, or postgres: { host: … } in environments.${environment}`,
    );
  }
  if (at?.tls === "disable" && host !== undefined && !isLoopback(host)) {
    const excepted = Object.values({ ...organization.exceptions, ...system.exceptions }).some(
      (exception) =>
        exception.rule === "database-tls" && exception["applies-to"] === `${system.system}/${name}`,
    );
    if (!excepted) {
      file.reportValue(
        [...own, "tls"],
        "write verify-full, or an entry of exceptions with rule: database-tls (R53)",
      );
    }
  }
}

/** Fields that only a static user has. */
const staticOnly = [
  "as",
  "files",
  "consumers",
  "templates",
  "class",
  "owner",
  "idle",
  "probe",
  "impact",
  "secrets-manager",
] as const;

function checkDynamic({ file }: Subject, place: Path, user: string, entry: DatabaseUserEntry): void {
  file.checkReference(
    place,
    user,
    "a service of this system, which a dynamic user is for",
    file.names("services"),
    "key",
  );
  for (const field of staticOnly) {
    if (entry[field] !== undefined) {
      file.report(
        [...place, field],
        "belongs to a static user: remove it, or write rotate instead of ttl",
        "key",
      );
    }
  }
  if (entry.ttl === undefined) {
    file.report(
      [...place, "ttl"],
      "is missing: write 15m for a dynamic user, or rotate: { … } for a static one",
    );
  } else if (seconds(entry.ttl) > longestCredential) {
    file.reportValue([...place, "ttl"], "write at most 1h (R12)");
  }
  const longest = entry["max-ttl"];
  if (longest === undefined) return;
  if (seconds(longest) > longestCredential) file.reportValue([...place, "max-ttl"], "write at most 1h (R12)");
  else if (entry.ttl !== undefined && seconds(longest) < seconds(entry.ttl)) {
    file.reportValue([...place, "max-ttl"], `write at least the ttl, which is ${entry.ttl}`);
  }
}

function checkStatic(subject: Subject, place: Path, user: string, entry: DatabaseUserEntry): void {
  const { file, declared } = subject;
  for (const field of ["ttl", "max-ttl"] as const) {
    if (entry[field] !== undefined)
      file.report([...place, field], "belongs to a dynamic user: remove it, or remove rotate", "key");
  }
  if (entry.owner !== undefined)
    file.checkReference([...place, "owner"], entry.owner, "a person", declared?.people);
  const { fields, atMost } = kinds["postgres-password"];
  if (entry["secrets-manager"] !== undefined) {
    checkKeptInAws(subject, place, entry);
    return;
  }
  if (entry.rotate !== undefined) checkPeriod(subject, [...place, "rotate"], entry.rotate, atMost);
  if (entry.rotate?.method === "single" && entry.impact === undefined) {
    file.report(
      [...place, "impact"],
      "is missing: one user has one password at a time, so that new connections are refused from its change until each consumer " +
        "has restarted with the new one, and until another runner goes on where one dies in between: say what that does, " +
        "or write method: alternating (R31, R32)",
    );
  }
  checkTemplates(subject, [...place, "templates"], entry.templates, fields, [
    ...fields,
    "host",
    "port",
    "database",
  ]);
  const assembled = [...fields, ...(file.names(...place, "templates") ?? [])];
  checkConsumers(subject, [...place, "consumers"], entry.consumers, assembled);
  checkAs(subject, place, entry, assembled);
  if (entry.as !== undefined && entry.consumers !== undefined) {
    file.report([...place, "as"], "stands beside consumers: move it to the consumer that it is for", "key");
  } else if (entry.as === undefined && entry.consumers === undefined) {
    file.report([...place, "as"], "is missing: write { VARIABLE: password }, or consumers: { … }");
  } else if (entry.as !== undefined) {
    file.checkReference(
      place,
      user,
      "a service of this system, which as is for",
      file.names("services"),
      "key",
    );
  }
}

/** Secrets Manager delivers it and rotates it by two logins that take turns: what the rotation engine does has no place. */
function checkKeptInAws(subject: Subject, place: Path, entry: DatabaseUserEntry): void {
  const { file } = subject;
  for (const field of staticOnly) {
    if (field === "owner" || field === "class" || field === "secrets-manager" || entry[field] === undefined)
      continue;
    file.report(
      [...place, field],
      "stands beside secrets-manager, which delivers it: remove one of them",
      "key",
    );
  }
  if (entry.rotate !== undefined) {
    if (entry.rotate.method !== "alternating") {
      file.report([...place, "rotate", "method"], "must be alternating beside secrets-manager", "value");
    }
    const { every } = entry.rotate;
    if (every !== undefined && (seconds(every) % day !== 0 || seconds(every) > 90 * day)) {
      file.reportValue(
        [...place, "rotate", "every"],
        "write whole days, at most 90d, beside secrets-manager",
      );
    }
  }
}

/** Only an environment with an account has a Secrets Manager; the local stack brings its own. */
function checkAccount({ file, organization, environment }: Subject, place: Path): void {
  const block = organization?.environments[environment];
  if (block?.vault?.address !== undefined && block.aws === undefined) {
    file.report(place, `needs aws: { account: …, region: … } in environments.${environment}`, "key");
  }
}
