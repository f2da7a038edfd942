import { ServiceError } from "./errors.ts";

/** A privilege statement of the catalogue, taken apart. */
export interface Grant {
  /** e.g. ["SELECT", "INSERT"] */
  privileges: string[];
  on:
    | { kind: "all"; objects: "TABLES" | "SEQUENCES" | "FUNCTIONS"; schema: string }
    | { kind: "schema"; schema: string }
    | { kind: "database" }
    | { kind: "table" | "sequence"; schema: string; name: string };
}

const identifier = '("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)';
const statement = new RegExp(
  `^(ALL(?: PRIVILEGES)?|[A-Z]+(?: *, *[A-Z]+)*) ON (?:ALL (TABLES|SEQUENCES|FUNCTIONS) IN SCHEMA ${identifier}|SCHEMA ${identifier}|(DATABASE)(?: ${identifier})?|(?:(TABLE|SEQUENCE) )?${identifier}\\.${identifier})$`,
  "i",
);
const privilegesOf: Record<string, string[]> = {
  TABLES: ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"],
  SEQUENCES: ["USAGE", "SELECT", "UPDATE"],
  FUNCTIONS: ["EXECUTE"],
  SCHEMA: ["USAGE", "CREATE"],
  DATABASE: ["CONNECT", "CREATE", "TEMPORARY", "TEMP"],
};

/**
 * Takes a grant such as `SELECT, INSERT ON ALL TABLES IN SCHEMA public` apart, so that nothing but privileges can be
 * written there.
 * @throws ServiceError when it is anything else.
 */
export function parseGrant(text: string): Grant {
  const match = statement.exec(text.trim().replace(/\s+/g, " "));
  const [, list = "", all, allSchema, schema, database, , kind = "TABLE", tableSchema, table] = match ?? [];
  const on = ((): Grant["on"] | undefined => {
    if (all !== undefined && allSchema !== undefined) {
      return { kind: "all", objects: all.toUpperCase() as "TABLES", schema: bare(allSchema) };
    }
    if (schema !== undefined) return { kind: "schema", schema: bare(schema) };
    if (database !== undefined) return { kind: "database" };
    if (tableSchema === undefined || table === undefined) return undefined;
    const which = kind.toUpperCase() === "SEQUENCE" ? "sequence" : "table";
    return { kind: which, schema: bare(tableSchema), name: bare(table) };
  })();
  const privileges = list.toUpperCase().split(/ *, */);
  const known = on === undefined ? [] : privilegesOf[subjectOf(on)];
  const wrong = privileges.find(
    (name) => !/^ALL( PRIVILEGES)?$/.test(name) && known?.includes(name) !== true,
  );
  if (on === undefined || wrong !== undefined) {
    throw new ServiceError(
      `The grant "${text}" is not a privilege statement. Write one such as ` +
        '"SELECT, INSERT ON ALL TABLES IN SCHEMA public", "USAGE ON SCHEMA public" or "SELECT ON public.entries".',
    );
  }
  return { privileges, on };
}

function subjectOf(on: Grant["on"]): string {
  if (on.kind === "all") return on.objects;
  return { schema: "SCHEMA", database: "DATABASE", table: "TABLES", sequence: "SEQUENCES" }[on.kind];
}

/** Postgres folds an unquoted name to lower case. */
function bare(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase();
}
