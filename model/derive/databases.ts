import { seconds } from "../duration.ts";
import { longestCredential } from "../kinds.ts";
import type { Database, DynamicUser } from "../model.ts";
import { fit, limits } from "../names.ts";
import type { DatabaseEntry, GrantEntry } from "../schema/database.ts";
import type { System } from "../schema/system.ts";
import { type Context, compare, minute, ordered, physical, retiredOf } from "./context.ts";
import { joined } from "./paths.ts";

/**
 * The databases that the environment has (`at`), ordered by id; a retired one, or one of a retired system, has no users.
 * Times are whole seconds, an hour where none is written (R12).
 */
export function deriveDatabases(context: Context): Database[] {
  return context.systems
    .flatMap((system) =>
      ordered(system.databases)
        .filter(([, entry]) => Object.hasOwn(entry.at, context.environment))
        .map(([name, entry]) => database(context, system, name, entry)),
    )
    .sort((a, b) => compare(a.id, b.id));
}

function database(context: Context, system: System, name: string, entry: DatabaseEntry): Database {
  const connection = joined(physical(system.system, system), physical(name, entry));
  // Names have no "__" of their own, so that a.b_c and a_b.c stay two.
  const manager = `keyplane_${connection.replaceAll(".", "__").replaceAll("-", "_")}`;
  const retired = retiredOf(entry, system);
  const users = retired.retired ? [] : ordered(entry.users);
  return {
    id: `${system.system}/${name}`,
    system: system.system,
    name,
    engine: "postgres",
    connection,
    ...placeOf(context, system, name, entry),
    manager: fit(manager, limits.postgres, "_"),
    rotation: {
      // One segment more than a user's role has: no user can be called so.
      role: joined(connection, "keyplane", "rotate"),
      actsAs: fit(`${manager}__rotation`, limits.postgres, "_"),
    },
    groups: ordered(entry.groups).map(([group, { grants }]) => ({
      name: group,
      grants: grants.flatMap(grantsOf),
    })),
    users: users
      .filter(
        ([user, { rotate, retired }]) =>
          rotate === undefined && retired === undefined && system.services?.[user]?.retired === undefined,
      )
      .map(([user, userEntry]): DynamicUser => {
        const ttl = userEntry.ttl === undefined ? longestCredential : seconds(userEntry.ttl);
        return {
          role: joined(connection, physical(user, userEntry)),
          service: `${system.system}/${user}`,
          memberOf: userEntry["member-of"],
          ttl,
          maxTtl: userEntry["max-ttl"] === undefined ? longestCredential : seconds(userEntry["max-ttl"]),
          creationStatements: creationStatements(userEntry["member-of"]),
          renewStatements,
          revocationStatements: revocationStatements(userEntry["member-of"]),
        };
      }),
    ...retired,
  };
}

/**
 * The logins of the rotation engine, short-lived like a service's: a Vault role of its own, whose users act as the
 * database's rotation role. A retired database keeps it until its data may go: a rotation that was under way ends or goes back.
 */
export function rotationLogins({ retired, rotation: { role, actsAs } }: Database): VaultLogin[] {
  if (retired?.delete === true) return [];
  return [
    {
      role,
      memberOf: actsAs,
      ttl: 10 * minute,
      maxTtl: longestCredential,
      creationStatements: creationStatements(actsAs),
      renewStatements,
      revocationStatements: revocationStatements(actsAs),
    },
  ];
}

/** What a Vault role makes: a login of one group. */
export type VaultLogin = Omit<DynamicUser, "service">;

/** Where a database is in the environment. Only one without a host of its own or its environment's is local. */
export function placeOf(
  { block, environment }: Pick<Context, "block" | "environment">,
  system: System,
  name: string,
  entry: DatabaseEntry,
): Pick<Database, "host" | "port" | "database" | "tls"> {
  const at = entry.at[environment];
  const host = at?.host ?? block.postgres?.host ?? "127.0.0.1";
  return {
    host,
    port: at?.port ?? block.postgres?.port ?? 5432,
    database:
      at?.database ??
      fit(
        `${physical(system.system, system)}_${physical(name, entry)}`.replaceAll("-", "_"),
        limits.postgres,
        "_",
      ),
    tls: at?.tls ?? (isLoopback(host) ? "disable" : "verify-full"),
  };
}

/** Whether a host's name or IPv4 address is this machine's own. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function grantsOf({ schema, tables, sequences, create }: GrantEntry): string[] {
  const list = (privileges: string[]) => privileges.map((privilege) => privilege.toUpperCase()).join(", ");
  return [
    `USAGE ON SCHEMA "${schema}"`,
    ...(create === true ? [`CREATE ON SCHEMA "${schema}"`] : []),
    ...(tables === undefined ? [] : [`${list(tables)} ON ALL TABLES IN SCHEMA "${schema}"`]),
    ...(sequences === undefined ? [] : [`${list(sequences)} ON ALL SEQUENCES IN SCHEMA "${schema}"`]),
  ];
}

/** Schema of the functions that make, extend and drop users; every managed database has it. */
export const usersSchema = "keyplane";

/**
 * The roles that make users in the manager's stead, of which each new user gets any one. Since version 16 Postgres makes
 * a role that is no superuser a member of every role that it creates, and walks all of its memberships at each next one:
 * with a single maker a user costs the more the more there are.
 */
export function makersOf({ manager }: Pick<Database, "manager">): string[] {
  const name = fit(`${manager}__maker`, limits.postgres - 3, "_");
  return Array.from({ length: 100 }, (_, number) => `${name}_${String(number).padStart(2, "0")}`);
}

/**
 * A dynamic user only joins its group, which holds the grants: grants per user slow issuance and fail near
 * 2,400 live users. The connection's scram-sha-256 puts a verifier in place of {{password}}. The functions are those of
 * operations/database/user-functions.ts.
 */
export function creationStatements(group: string): string[] {
  return [
    `SELECT ${usersSchema}.create_user('{{name}}', '{{password}}', '{{expiration}}', ${literal(group)})`,
  ];
}

export const renewStatements = [`SELECT ${usersSchema}.extend_user('{{name}}', '{{expiration}}')`];

/** Blocks new logins, ends open sessions, hands over what the user owns, drops it. */
export function revocationStatements(group: string): string[] {
  return [`SELECT ${usersSchema}.drop_user('{{name}}', ${literal(group)})`];
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
