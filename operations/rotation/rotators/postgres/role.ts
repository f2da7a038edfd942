import type { Connection } from "../../rotator.ts";

/** A role as its server's catalog knows it. */
export interface Role {
  name: string;
  canLogin: boolean;
  connectionLimit: number;
  /** SUPERUSER, CREATEROLE, CREATEDB, REPLICATION, BYPASSRLS: nothing that a service's user has. */
  attributes: string[];
  memberOf: string[];
  /** Whether the asking role may alter it and hand it out. */
  administered: boolean;
  comment: string;
  /** name=value of ALTER ROLE … SET, for every database (`database` empty) or for one. */
  settings: { database: string; setting: string }[];
}

/** undefined where there is no such role. */
export async function findRole(connection: Connection, name: string): Promise<Role | undefined> {
  const { rows } = await connection.query<Role>(
    `select r.rolname as name, r.rolcanlogin as "canLogin", r.rolconnlimit as "connectionLimit",
            array_remove(array[case when r.rolsuper then 'SUPERUSER' end, case when r.rolcreaterole then 'CREATEROLE' end,
                               case when r.rolcreatedb then 'CREATEDB' end, case when r.rolreplication then 'REPLICATION' end,
                               case when r.rolbypassrls then 'BYPASSRLS' end], null) as attributes,
            array(select distinct g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid
                   where m.member = r.oid order by 1) as "memberOf",
            exists (select from pg_auth_members m
                     where m.roleid = r.oid and m.admin_option and pg_has_role(m.member, 'USAGE')) as administered,
            coalesce(shobj_description(r.oid, 'pg_authid'), '') as comment,
            coalesce((select json_agg(json_build_object('database', coalesce(d.datname, ''), 'setting', setting)
                                      order by d.datname nulls first, setting)
                        from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) setting
                       where s.setrole = r.oid), '[]') as settings
       from pg_roles r where r.rolname = $1`,
    [name],
  );
  return rows[0];
}

/** What the engine notes at a role that it made or altered: whose it is, and the rotation that set its password. */
export interface Mark {
  /** Environment and secret, by the id that a rename keeps, e.g. "production titan/ledger-titan-brain". */
  of: string;
  /** The same by the catalogue's id, as versions before 2026-11-29 wrote it; never written any more. */
  earlier?: string;
  rotation: string;
  /** When the password before was surely no longer accepted, by the server's clock. */
  since?: string;
}

const mark = /\[keyplane (\S+ \S+) rotation (\S+?)(?: since ([^\]]+))?\]/;

export function markOf({ comment }: Pick<Role, "comment">): Mark | undefined {
  const [found, of, rotation, since] = mark.exec(comment) ?? [];
  if (found === undefined || of === undefined || rotation === undefined) return undefined;
  return { of, rotation, ...(since !== undefined && { since }) };
}

/** Whether a mark that was found is of the secret that another one names. */
export function isOfSame(found: Mark | undefined, own: Pick<Mark, "of" | "earlier">): boolean {
  return found !== undefined && [own.of, own.earlier].includes(found.of);
}

/** The comment with this mark in place of another one; what a person wrote there stays. */
export function commentWith({ comment }: Pick<Role, "comment">, { of, rotation, since }: Mark): string {
  const said = comment.replace(mark, "").trim();
  const own = `[keyplane ${of} rotation ${rotation}${since === undefined ? "" : ` since ${since}`}]`;
  return said === "" ? own : `${said} ${own}`;
}
