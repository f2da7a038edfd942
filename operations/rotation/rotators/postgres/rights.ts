import type { Connection } from "../../rotator.ts";

/** Rights that one role has and another has not, e.g. "INSERT on table public.entries"; at most 20 of each. */
export interface Difference {
  missing: string[];
  extra: string[];
}

const listed = 20;

/**
 * Compares what two roles may do in a database, effectively, with everything that they inherit: tables and columns
 * with rights of their own, sequences, functions, schemas, the database.
 */
export async function rightsDiffer(connection: Connection, role: string, than: string): Promise<Difference> {
  const { rows } = await connection.query<{ name: string; has: boolean }>(
    `with privilege as (
       select 'table' as kind, p from unnest(array['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) p
       union all select 'table', 'MAINTAIN' where current_setting('server_version_num')::int >= 170000
     ), schema as (
       select oid, nspname from pg_namespace where nspname not like 'pg\\_%' and nspname <> 'information_schema'
     ), compared as (
       select p || ' on table ' || nspname || '.' || relname as name,
              has_table_privilege($1, c.oid, p) as has, has_table_privilege($2, c.oid, p) as other
         from pg_class c join schema on schema.oid = relnamespace, privilege where relkind in ('r', 'p', 'v', 'm', 'f')
       union all
       select p || ' on column ' || nspname || '.' || relname || '.' || attname,
              has_column_privilege($1, c.oid, attnum, p), has_column_privilege($2, c.oid, attnum, p)
         from pg_attribute a join pg_class c on c.oid = attrelid join schema on schema.oid = relnamespace,
              unnest(array['SELECT','INSERT','UPDATE','REFERENCES']) p
        where attacl is not null and not attisdropped
       union all
       select p || ' on sequence ' || nspname || '.' || relname,
              has_sequence_privilege($1, c.oid, p), has_sequence_privilege($2, c.oid, p)
         from pg_class c join schema on schema.oid = relnamespace, unnest(array['USAGE','SELECT','UPDATE']) p
        where relkind = 'S'
       union all
       select 'EXECUTE on function ' || nspname || '.' || proname,
              has_function_privilege($1, f.oid, 'EXECUTE'), has_function_privilege($2, f.oid, 'EXECUTE')
         from pg_proc f join schema on schema.oid = pronamespace
       union all
       select p || ' on schema ' || nspname, has_schema_privilege($1, oid, p), has_schema_privilege($2, oid, p)
         from schema, unnest(array['USAGE','CREATE']) p
       union all
       select p || ' on database ' || datname, has_database_privilege($1, oid, p), has_database_privilege($2, oid, p)
         from pg_database, unnest(array['CONNECT','CREATE','TEMPORARY']) p where datname = current_database()
     )
     select name, has from compared where has is distinct from other order by name`,
    [role, than],
  );
  const names = (has: boolean) =>
    rows
      .filter((row) => row.has === has)
      .map(({ name }) => name)
      .slice(0, listed);
  return { missing: names(false), extra: names(true) };
}
