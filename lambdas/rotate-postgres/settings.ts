import type { UserDatabase } from "../../operations/rotation/rotators/postgres.ts";
import { isObject, objectIn, SettingsError, textOf } from "../settings.ts";

/** A static user whose password Secrets Manager keeps; two logins take turns. */
export interface User {
  /** As the catalogue calls it. */
  user: string;
  /** The group whose rights its logins have. */
  memberOf: string;
  logins: string[];
}

/** The database that a function rotates users of. */
export interface Served {
  database: UserDatabase;
  /** PEM of the CA of its certificate; the system's roots when absent. */
  ca?: string;
  /** By the name of their secret. */
  users: Map<string, User>;
}

const variable = "KEYPLANE_DATABASE";

/** KEYPLANE_DATABASE. @throws SettingsError */
export function served(env: NodeJS.ProcessEnv): Served {
  const read = objectIn(env, variable);
  const { port, tls, rotation, groups = [], users, ca } = read;
  if (typeof port !== "number") throw new SettingsError(`${variable} has no number in "port"`);
  if (tls !== "disable" && tls !== "verify-full") {
    throw new SettingsError(`${variable} must say "disable" or "verify-full" in "tls"`);
  }
  if (!isObject(rotation)) throw new SettingsError(`${variable} has no object in "rotation"`);
  if (!isObject(users)) throw new SettingsError(`${variable} has no object in "users"`);
  return {
    database: {
      id: textOf(read, "id", variable),
      host: textOf(read, "host", variable),
      port,
      database: textOf(read, "database", variable),
      tls,
      rotation: {
        role: textOf(rotation, "role", `${variable}.rotation`),
        actsAs: textOf(rotation, "actsAs", `${variable}.rotation`),
      },
      groups: Array.isArray(groups)
        ? groups.filter(isObject).map((group) => ({ name: textOf(group, "name", `${variable}.groups`) }))
        : [],
    },
    ...(typeof ca === "string" && { ca }),
    users: new Map(Object.entries(users).map(([name, user]) => [name, userOf(name, user)])),
  };
}

function userOf(name: string, value: unknown): User {
  const of = `${variable}.users["${name}"]`;
  if (!isObject(value)) throw new SettingsError(`${of} is no object`);
  const { logins } = value;
  if (!Array.isArray(logins) || logins.length !== 2 || !logins.every((login) => typeof login === "string")) {
    throw new SettingsError(`${of} must name two logins in "logins": they take turns`);
  }
  return { user: textOf(value, "user", of), memberOf: textOf(value, "memberOf", of), logins };
}
