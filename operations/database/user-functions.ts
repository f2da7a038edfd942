import pg from "pg";
import { makersOf, usersSchema } from "../../model/derive/databases.ts";
import type { Database } from "../../model/model.ts";

const id = pg.escapeIdentifier;

/** Names that Vault gives: v-<who>-<role>-<random>-<Unix time>. A regular expression for Postgres. */
export const vaultName = "^v-[A-Za-z0-9._-]+-[0-9]+$";

/**
 * The functions by which the manager makes, extends and drops users, and can do nothing else: statements to run inside
 * the database, as a superuser or as a role that administers the makers. Repeating them changes nothing.
 *
 * Each maker has one function that runs with its rights (SECURITY DEFINER) and checks what it is asked; Postgres itself
 * refuses a group that the maker does not administer. Three functions with the manager's own rights choose the maker:
 * any for a new user, the one that made it for an old one.
 */
export function userFunctions(database: Database): string[] {
  const makers = makersOf(database);
  const list = makers.map(id).join(", ");
  return [
    `CREATE SCHEMA IF NOT EXISTS ${usersSchema}`,
    `REVOKE ALL ON SCHEMA ${usersSchema} FROM PUBLIC`,
    `GRANT USAGE ON SCHEMA ${usersSchema} TO ${id(database.manager)}`,
    // To own a function in it takes this right; no maker keeps it.
    `GRANT CREATE ON SCHEMA ${usersSchema} TO ${list}`,
    makerFunctions(database.manager, makers),
    `REVOKE CREATE ON SCHEMA ${usersSchema} FROM ${list}`,
    ...choosers(makers.length).flatMap(({ name, types, text }) => [
      text,
      `REVOKE ALL ON FUNCTION ${usersSchema}.${name}(${types}) FROM PUBLIC`,
      `GRANT EXECUTE ON FUNCTION ${usersSchema}.${name}(${types}) TO ${id(database.manager)}`,
    ]),
  ];
}

/** Nothing of the caller's decides what a name means, or who else may act as a new user. */
const fixed = "SET search_path = pg_catalog, pg_temp SET createrole_self_grant = ''";
const makerTypes = "text, text, text, timestamptz, text";

function makerFunctions(manager: string, makers: string[]): string {
  return `DO $setup$
DECLARE maker text; made text;
BEGIN
  FOREACH maker IN ARRAY ARRAY[${makers.map((name) => pg.escapeLiteral(name)).join(", ")}] LOOP
    made := '${usersSchema}.as_maker_' || right(maker, 2);
    EXECUTE 'CREATE OR REPLACE FUNCTION ' || made || $make$(
      action text, login text, verifier text, ends timestamptz, member_of text
    ) RETURNS void LANGUAGE plpgsql SECURITY DEFINER ${fixed} AS $body$
${makerBody}
$body$ $make$;
    EXECUTE 'REVOKE ALL ON FUNCTION ' || made || '(${makerTypes}) FROM PUBLIC';
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s(${makerTypes}) TO %I', made, ${pg.escapeLiteral(manager)});
    EXECUTE format('ALTER FUNCTION %s(${makerTypes}) OWNER TO %I', made, maker);
  END LOOP;
END $setup$`;
}

/** Whoever has the manager's password can call it with anything, so it trusts no argument. */
const makerBody = `BEGIN
  IF login IS NULL OR login !~ '${vaultName}' OR length(login) > 63 THEN
    RAISE insufficient_privilege USING MESSAGE = format('%L is no name that Vault gives a user', login);
  END IF;
  -- The users that it made are roles that it administers, but no groups.
  IF member_of LIKE 'v-%' THEN
    RAISE insufficient_privilege USING MESSAGE = format('%L is a user and no group', member_of);
  END IF;
  IF action IN ('create', 'extend')
    AND (ends IS NULL OR ends > now() + interval '65 minutes') THEN
    RAISE insufficient_privilege USING MESSAGE = 'a user lives for an hour at most';
  END IF;
  CASE action
  WHEN 'create' THEN
    IF verifier IS NULL OR verifier !~ '^SCRAM-SHA-256\\$[0-9]+:[A-Za-z0-9+/=]+\\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
      RAISE invalid_password USING MESSAGE = 'give a SCRAM verifier and never a password';
    END IF;
    EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L VALID UNTIL %L IN ROLE %I', login, verifier, ends, member_of);
  WHEN 'extend' THEN
    EXECUTE format('ALTER ROLE %I VALID UNTIL %L', login, ends);
  WHEN 'drop' THEN
    -- Ends new logins, then open sessions; what the user owns goes to its group.
    EXECUTE format('ALTER ROLE %I NOLOGIN', login);
    EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET FALSE', login);
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = login;
    EXECUTE format('REASSIGN OWNED BY %I TO %I', login, member_of);
    EXECUTE format('DROP OWNED BY %I', login);
    EXECUTE format('DROP ROLE %I', login);
  END CASE;
END`;

function choosers(makers: number): { name: string; types: string; text: string }[] {
  const chooser = (name: string, parameters: string, body: string) => ({
    name,
    types: parameters.replaceAll(/\w+ (\w+)/g, "$1"),
    text: `CREATE OR REPLACE FUNCTION ${usersSchema}.${name}(${parameters}) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $body$
${body}
$body$`,
  });
  const call = `EXECUTE format('SELECT ${usersSchema}.as_maker_%s($1, $2, $3, $4, $5)', maker) USING`;
  /** Postgres notes who made a user: its maker administers it. */
  const made = `DECLARE maker text;
BEGIN
  SELECT right(made_by.rolname, 2) INTO maker
    FROM pg_auth_members membership
    JOIN pg_roles made_by ON made_by.oid = membership.member
    JOIN pg_proc own ON own.proowner = made_by.oid
   WHERE membership.roleid = (SELECT oid FROM pg_roles WHERE rolname = login) AND membership.admin_option
     AND own.pronamespace = '${usersSchema}'::regnamespace AND own.proname = 'as_maker_' || right(made_by.rolname, 2);`;
  const others = `IF maker IS NULL THEN
    RAISE insufficient_privilege USING MESSAGE = format('%I was not made by ${usersSchema}.create_user', login);
  END IF;`;
  return [
    chooser(
      "create_user",
      "login text, verifier text, ends timestamptz, member_of text",
      `DECLARE maker text := lpad(floor(random() * ${makers})::text, 2, '0');
BEGIN
  ${call} 'create', login, verifier, ends, member_of;
END`,
    ),
    chooser(
      "extend_user",
      "login text, ends timestamptz",
      `${made}
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
    RAISE undefined_object USING MESSAGE = format('role %I does not exist', login);
  END IF;
  ${others}
  ${call} 'extend', login, NULL::text, ends, NULL::text;
END`,
    ),
    chooser(
      "drop_user",
      "login text, member_of text",
      `${made}
  -- A user that is gone already is as good: Vault could otherwise never end its lease.
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN RETURN; END IF;
  ${others}
  ${call} 'drop', login, NULL::text, NULL::timestamptz, member_of;
END`,
    ),
  ];
}
