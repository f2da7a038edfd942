import { seconds } from "../duration.ts";
import { kinds } from "../kinds.ts";
import type { Consumer, Secret, SecretKind } from "../model.ts";
import { fit, limits } from "../names.ts";
import type { DatabaseEntry, DatabaseUserEntry } from "../schema/database.ts";
import type { ConsumerEntry, SecretEntry } from "../schema/secret.ts";
import type { System } from "../schema/system.ts";
import { type Context, compare, given, hour, ordered, physical, retiredOf } from "./context.ts";
import { placeOf } from "./databases.ts";
import { storedOf } from "./encryption-keys.ts";
import { ciPath, evidencePath, journalPath, servicePath, sourcePath } from "./paths.ts";

/**
 * Every secret, ordered by id: those of `secrets`, and a password per static user of the databases that the environment
 * has. Retired ones are among them, without consumers. Times are whole seconds.
 */
export function deriveSecrets(context: Context): Secret[] {
  return context.systems
    .flatMap((system) => [
      ...ordered(system.secrets).map(([name, entry]) => declared(context, system, name, entry)),
      ...ordered(system.databases).flatMap(([database, entry]) =>
        ordered(entry.users).flatMap(([user, userEntry]) =>
          userEntry.rotate === undefined ||
          // Secrets Manager keeps and rotates it: see derive/aws.
          userEntry["secrets-manager"] !== undefined ||
          !Object.hasOwn(entry.at, context.environment)
            ? []
            : [databasePassword(context, system, database, entry, user, userEntry)],
        ),
      ),
    ])
    .sort((a, b) => compare(a.id, b.id));
}

function declared(context: Context, system: System, name: string, entry: SecretEntry): Secret {
  const kind = kinds[entry.kind];
  const stored = physical(name, entry);
  const provider =
    entry.provider === undefined ? undefined : context.organization.providers?.[entry.provider];
  const by = entry.rotate.by ?? (kind.generator === undefined ? "hand" : "machine");
  const retired = retiredOf(entry, system);
  return {
    id: `${system.system}/${name}`,
    system: system.system,
    name,
    owner: entry.owner ?? system.owner,
    class: entry.class,
    kind: entry.kind,
    fields: [...(entry.fields ?? kind.fields)],
    ...given("description", entry.description),
    ...given(
      "provider",
      provider && {
        name: entry.provider ?? "",
        ...given("rotateWithin", optionalSeconds(provider["rotate-within"])),
        api: provider.api,
        ...given("adapter", provider.adapter),
        ...given(
          "rate",
          provider.rate && { requests: provider.rate.requests, per: seconds(provider.rate.per) },
        ),
        ...given("address", context.block.providers?.[entry.provider ?? ""]?.address),
        ...given("credential", context.block.providers?.[entry.provider ?? ""]?.credential),
      },
    ),
    generator: generatorOf(entry, by),
    rotate: {
      by,
      ...given("every", optionalSeconds(entry.rotate.every)),
      overlap: overlapOf(entry.kind, entry.rotate.overlap),
      onCompromise: true,
    },
    ...shared(entry),
    ...given(
      "nats",
      entry.nats && {
        servers: [...entry.nats.servers],
        usersFile: entry.nats["users-file"],
        pidFile: entry.nats["pid-file"],
        ...given("monitor", entry.nats.monitor),
      },
    ),
    stored: storedOf(system, entry.stored),
    source: sourcePath(system, stored),
    journal: journalPath(system, stored),
    evidence: evidencePath(system, stored),
    templates: Object.fromEntries(ordered(entry.templates)),
    consumers: retired.retired ? [] : consumersOf(context, system, name, stored, entry.consumers),
    ...retired,
  };
}

function generatorOf(entry: SecretEntry, by: "machine" | "hand"): Secret["generator"] {
  const usual = kinds[entry.kind].generator;
  if (by === "hand") return { by: "hand" };
  if (usual === undefined) return { by: "provider", provider: entry.provider ?? "" };
  return {
    by: "machine",
    bytes: entry.generator?.bytes === undefined ? usual.bytes : Number.parseInt(entry.generator.bytes, 10),
    encoding: entry.generator?.encoding ?? usual.encoding,
  };
}

/** The password of a static database user, named <database>-<user>. */
function databasePassword(
  context: Context,
  system: System,
  database: string,
  entry: DatabaseEntry,
  user: string,
  userEntry: DatabaseUserEntry,
): Secret {
  const name = databaseSecretName(database, user);
  const stored = databaseSecretName(physical(database, entry), physical(user, userEntry));
  const { rotate } = userEntry;
  const place = placeOf(context, system, database, entry);
  const login = physical(user, userEntry);
  const retired = retiredOf(userEntry, entry, system);
  const fill = (template: string) =>
    template
      .replaceAll("{host}", place.host)
      .replaceAll("{port}", String(place.port))
      .replaceAll("{database}", place.database);
  return {
    id: `${system.system}/${name}`,
    system: system.system,
    name,
    owner: userEntry.owner ?? system.owner,
    class: userEntry.class ?? "critical",
    kind: "postgres-password",
    fields: [...kinds["postgres-password"].fields],
    generator: { by: "machine", bytes: 32, encoding: "base64url" },
    rotate: {
      by: "machine",
      ...given("every", optionalSeconds(rotate?.every)),
      overlap: optionalSeconds(rotate?.overlap) ?? (rotate?.method === "alternating" ? hour : 0),
      onCompromise: true,
      ...given("method", rotate?.method),
    },
    ...shared(userEntry),
    stored: [],
    source: sourcePath(system, stored),
    journal: journalPath(system, stored),
    evidence: evidencePath(system, stored),
    databaseUser: {
      database: `${system.system}/${database}`,
      user: login,
      memberOf: userEntry["member-of"],
      logins: loginsOf(login, rotate?.method),
    },
    templates: Object.fromEntries(ordered(userEntry.templates).map(([field, text]) => [field, fill(text)])),
    consumers: retired.retired
      ? []
      : consumersOf(
          context,
          system,
          name,
          stored,
          userEntry.consumers ?? {
            [user]: { ...given("as", userEntry.as), ...given("files", userEntry.files) },
          },
        ),
    ...retired,
  };
}

/** The logins of a static user: two that take turns, or one. */
export function loginsOf(user: string, method: "alternating" | "single" | undefined): string[] {
  return method === "alternating"
    ? ["a", "b"].map((turn) => `${fit(user, limits.postgres - 2)}_${turn}`)
    : [fit(user, limits.postgres)];
}

/** Name of the secret that holds a static database user's password. */
export function databaseSecretName(database: string, user: string): string {
  return `${database}-${user}`;
}

function shared(
  entry: Pick<SecretEntry, "idle" | "probe" | "impact">,
): Pick<Secret, "idle" | "probe" | "impact"> {
  const { idle } = entry;
  return {
    ...given(
      "idle",
      idle === undefined
        ? undefined
        : typeof idle === "string"
          ? { source: idle }
          : { source: "metric" as const, metric: idle.metric },
    ),
    ...given("probe", entry.probe),
    ...given("impact", entry.impact),
  };
}

/** How long the old value stays accepted: as said, or as is usual for the kind. */
export function overlapOf(kind: SecretKind, said: string | undefined): number {
  if (said !== undefined) return seconds(said);
  const { overlap } = kinds[kind];
  return "usual" in overlap ? overlap.usual : overlap.least;
}

function consumersOf(
  context: Context,
  system: System,
  name: string,
  stored: string,
  entries: Record<string, ConsumerEntry | null> | undefined,
): Consumer[] {
  const services = ordered(entries).flatMap(([service, entry]): Consumer[] => {
    const serviceEntry = system.services?.[service];
    if (serviceEntry?.retired !== undefined) return [];
    const as = Object.fromEntries(ordered(entry?.as));
    return [
      {
        id: `${system.system}/${service}`,
        kind: "service",
        name: service,
        role: entry?.role ?? "reader",
        path: servicePath(system, service, serviceEntry, stored),
        as,
        files: filesOf(as, entry?.files),
      },
    ];
  });
  const jobs = ordered(system.ci).flatMap(([job, entry]): Consumer[] => {
    if (
      !entry.reads.includes(name) ||
      !(entry.environments ?? [context.environment]).includes(context.environment)
    )
      return [];
    const as = Object.fromEntries(
      ordered(entry.as).flatMap(([variable, target]) => {
        const [secret, field] = target.split(".");
        return secret === name && field !== undefined ? [[variable, field]] : [];
      }),
    );
    return [
      {
        id: `${system.system}/ci/${job}`,
        kind: "ci",
        name: job,
        role: "reader",
        path: ciPath(system, job, stored),
        as,
        files: filesOf(as, undefined),
      },
    ];
  });
  return [...services, ...jobs].sort((a, b) => compare(a.id, b.id));
}

/** File names of the _FILE variables: as said, or the variable's own in lower case without its ending. */
function filesOf(
  as: Record<string, string>,
  said: Record<string, string> | undefined,
): Record<string, string> {
  return Object.fromEntries(
    Object.keys(as)
      .filter((variable) => variable.endsWith("_FILE"))
      .map((variable) => [variable, said?.[variable] ?? fileName(variable)]),
  );
}

/** The file that a `_FILE` variable points to when none is written: `DB_PASSWORD_FILE` → `db_password`. */
export function fileName(variable: string): string {
  return variable.replace(/_+FILE$/, "").toLowerCase();
}

function optionalSeconds(duration: string | undefined): number | undefined {
  return duration === undefined ? undefined : seconds(duration);
}
