import pg from "pg";
import { scramVerifier } from "../../../database/scram.ts";
import { type Connection, ProbeError, type Target } from "../../rotator.ts";
import { commentWith, isOfSame, type Mark, markOf, type Role } from "./role.ts";

const id = pg.escapeIdentifier;
const text = pg.escapeLiteral;

/** What a login is to be. */
export interface Wanted {
  login: string;
  password: string;
  /** The one group whose rights it has. */
  group: string;
  database: Target;
  mark: Mark;
}

/**
 * Refuses a login that is not the secret's own to take: another system's, a person's, one with rights of a server.
 * @throws ProbeError
 */
export function checkOwn(role: Role, { login, database, mark }: Pick<Wanted, "login" | "database" | "mark">) {
  const found = markOf(role);
  if (found !== undefined && !isOfSame(found, mark)) {
    throw new ProbeError(
      `The login ${login} of ${database.id} belongs to ${found.of}: give the user of ${mark.of} another name in the catalogue`,
    );
  }
  if (role.attributes.length > 0) {
    throw new ProbeError(
      `The login ${login} of ${database.id} has ${role.attributes.join(", ")}: a service's user has none of these; ` +
        `take them away, or give the user another name in the catalogue`,
    );
  }
  if (!role.administered) throw new ProbeError(notAdministered(login, database));
}

/** What to do with a login that rotation may not alter. */
export function notAdministered(login: string, { id: database, rotation: { actsAs } }: Target): string {
  return (
    `The login ${login} of ${database} was made by someone else: give the user another name in the catalogue, ` +
    `or, if it is its own, let a DBA run: GRANT ${id(login)} TO ${id(actsAs)} WITH ADMIN TRUE, INHERIT TRUE, SET FALSE`
  );
}

/**
 * Makes or alters a login in one transaction: its password as a verifier, exactly its group, the settings of the login
 * whose place it takes. Everything that it makes belongs to its group, so that it stays when the login goes.
 */
export async function makeLogin(
  connection: Connection,
  wanted: Wanted,
  { role, like }: { role: Role | undefined; like: Role | undefined },
): Promise<void> {
  const { login, password, group, database, mark } = wanted;
  const secured = `LOGIN PASSWORD ${text(scramVerifier(password))} VALID UNTIL 'infinity'`;
  const limit = `CONNECTION LIMIT ${(like ?? role)?.connectionLimit ?? -1}`;
  const others = (role?.memberOf ?? []).filter((name) => name !== group);
  await together(connection, [
    role === undefined
      ? `CREATE ROLE ${id(login)} ${secured} ${limit} IN ROLE ${id(group)}`
      : `ALTER ROLE ${id(login)} ${secured} ${limit}`,
    // To see and end its sessions and to hand over what it made.
    `GRANT ${id(login)} TO ${id(database.rotation.actsAs)} WITH INHERIT TRUE, SET FALSE`,
    ...(role === undefined
      ? []
      : [
          `GRANT ${id(group)} TO ${id(login)}`,
          ...others.map((name) => `REVOKE ${id(name)} FROM ${id(login)}`),
        ]),
    ...settingStatements(login, role, like),
    `ALTER ROLE ${id(login)} SET role = ${text(group)}`,
    `COMMENT ON ROLE ${id(login)} IS ${text(commentWith(role ?? { comment: "" }, mark))}`,
  ]);
}

/** A new password for a login that goes on being used: everything else stays. */
export async function replacePassword(
  connection: Connection,
  role: Role,
  { password, mark }: Pick<Wanted, "password" | "mark">,
): Promise<void> {
  await together(connection, [
    `ALTER ROLE ${id(role.name)} LOGIN PASSWORD ${text(scramVerifier(password))} VALID UNTIL 'infinity'`,
    `COMMENT ON ROLE ${id(role.name)} IS ${text(commentWith(role, mark))}`,
  ]);
}

/** Notes the time after which no session can have begun with the password before. */
export async function markSince(connection: Connection, role: Role, own: Mark): Promise<void> {
  const { rows } = await connection.query<{ since: string }>("select clock_timestamp()::text as since");
  const comment = commentWith(role, { ...own, since: rows[0]?.since ?? "" });
  await connection.query(`COMMENT ON ROLE ${id(role.name)} IS ${text(comment)}`);
}

/** Shuts a login; its sessions and what it owns are another matter. */
export async function shutLogin(connection: Connection, login: string): Promise<void> {
  await connection.query(`ALTER ROLE ${id(login)} NOLOGIN PASSWORD NULL`);
}

/**
 * Hands what a login owns over to its group, where there is anything; the login keeps its use as a member. Takes a
 * lock on each object, which nothing else does here.
 */
export async function handOver(connection: Connection, login: string, group: string): Promise<void> {
  const { rows } = await connection.query<{ owns: boolean; member: boolean }>(
    `select exists (select from pg_shdepend d where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid
                       and d.deptype = 'o' and d.dbid in (0, (select oid from pg_database where datname = current_database()))
                   ) as owns,
            pg_has_role(r.oid, $2::name, 'USAGE') as member
       from pg_roles r where r.rolname = $1`,
    [login, group],
  );
  const [found] = rows;
  if (found?.owns !== true) return;
  await together(connection, [
    ...(found.member ? [] : [`GRANT ${id(group)} TO ${id(login)}`]),
    `REASSIGN OWNED BY ${id(login)} TO ${id(group)}`,
  ]);
}

/** Settings whose value is a list of names: one literal would be one name. */
const lists = ["search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries"];

/** Brings a login's settings to those of the one that it takes turns with; its role is set apart from that. */
function settingStatements(login: string, role: Role | undefined, like: Role | undefined): string[] {
  if (like === undefined) return [];
  const within = (database: string) => (database === "" ? "" : ` IN DATABASE ${id(database)}`);
  const before = [...new Set((role?.settings ?? []).map(({ database }) => database))];
  return [
    ...before.map((database) => `ALTER ROLE ${id(login)}${within(database)} RESET ALL`),
    ...like.settings.flatMap(({ database, setting }) => {
      const [name = "", ...rest] = setting.split("=");
      const value = rest.join("=");
      if (name === "role") return [];
      const parameter = name.split(".").map(id).join(".");
      const alter = `ALTER ROLE ${id(login)}${within(database)} SET ${parameter}`;
      return lists.includes(name)
        ? [`SELECT set_config(${text(name)}, ${text(value)}, true)`, `${alter} FROM CURRENT`]
        : [`${alter} = ${text(value)}`];
    }),
  ];
}

/** One round trip and one transaction: all of them or none. */
async function together(connection: Connection, statements: string[]): Promise<void> {
  await connection.query(statements.join(";\n"));
}
