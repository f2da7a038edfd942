import pg from "pg";
import { makersOf } from "../../model/derive/databases.ts";
import type { Database } from "../../model/model.ts";
import { userFunctions } from "./user-functions.ts";

const id = pg.escapeIdentifier;

/** What a role that Vault or rotation works with may be; none is a superuser. */
export type Attributes = "LOGIN NOCREATEROLE" | "NOLOGIN CREATEROLE" | "NOLOGIN NOCREATEROLE";

/**
 * The roles that dynamic and static users of a database take: the manager, which may do nothing but call functions, its
 * makers, the role that rotation acts as, and the groups.
 */
export function rolesOf(database: Database): [name: string, attributes: Attributes][] {
  return [
    [database.manager, "LOGIN NOCREATEROLE"],
    ...[...makersOf(database), database.rotation.actsAs].map((name): [string, Attributes] => [
      name,
      "NOLOGIN CREATEROLE",
    ]),
    ...database.groups.map(({ name }): [string, Attributes] => [name, "NOLOGIN NOCREATEROLE"]),
  ];
}

/** Who hands out which role: the makers and rotation the groups, the makers also logins of rotation's own role. */
export function memberships(database: Database): string[] {
  const { actsAs } = database.rotation;
  const makers = makersOf(database);
  const to = (roles: string[]) => `TO ${roles.map(id).join(", ")} WITH ADMIN TRUE, INHERIT TRUE, SET FALSE`;
  return [
    // No role administers itself, so a login that acts as this one is made by others.
    `GRANT ${id(actsAs)} ${to(makers)}`,
    // They hand the group out, and hand a revoked user's things over to it: that takes the group's rights.
    ...database.groups.map(({ name }) => `GRANT ${id(name)} ${to([...makers, actsAs])}`),
  ];
}

/**
 * What a DBA runs once inside the database, with psql, before Vault connects to it: as a superuser, or as the
 * administrator of a managed service, who is none but has CREATEROLE, owns the database and made the groups. The
 * manager's first password is asked for, so that it stands in no file. Repeating it changes nothing but that password.
 */
export function setupScript(database: Database): string {
  const { manager, groups, rotation } = database;
  const roles = rolesOf(database).filter(([name]) => !groups.some((group) => group.name === name));
  const makers = makersOf(database).map(id).join(", ");
  const all = [manager, rotation.actsAs, ...groups.map(({ name }) => name)].map(id).join(", ");
  return `${[
    "BEGIN",
    ...roles.map(
      ([name, attributes]) => `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${pg.escapeLiteral(name)}) THEN
    CREATE ROLE ${id(name)} ${attributes};
  END IF;
END $$`,
    ),
    `-- To hand functions over to the makers takes their rights, unless one is a superuser.
DO $$ BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER) THEN
    GRANT ${makers} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE;
  END IF;
END $$`,
    ...memberships(database),
    `REVOKE ALL ON DATABASE ${id(database.database)} FROM PUBLIC`,
    `GRANT CONNECT ON DATABASE ${id(database.database)} TO ${all}`,
    ...userFunctions(database),
    "COMMIT",
  ].join(";\n")};\n\\password ${id(manager)}\n`;
}
