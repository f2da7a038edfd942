import type { RotatedUsers } from "../../model/shipping.ts";
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
  /** By the name of their secret. */
  users: Map<string, User>;
}

const variable = "KEYPLANE_DATABASE";

/** KEYPLANE_DATABASE, and of what stands beside the code the users of that database. @throws SettingsError */
export function served(env: NodeJS.ProcessEnv, { databases, environment }: RotatedUsers): Served {
  const read = objectIn(env, variable);
  const { port, tls, rotation } = read;
  const id = textOf(read, "id", variable);
  if (typeof port !== "number") throw new SettingsError(`${variable} has no number in "port"`);
  if (tls !== "disable" && tls !== "verify-full") {
    throw new SettingsError(`${variable} must say "disable" or "verify-full" in "tls"`);
  }
  if (!isObject(rotation)) throw new SettingsError(`${variable} has no object in "rotation"`);
  const own = Object.hasOwn(databases, id) ? databases[id] : undefined;
  if (own === undefined) {
    throw new SettingsError(
      `${variable} is of ${id}, of which model.json beside the code has no users: make both anew ` +
        `(npx keyplane bundle --environment ${environment}, then pulumi up)`,
    );
  }
  return {
    database: {
      id,
      host: textOf(read, "host", variable),
      port,
      database: textOf(read, "database", variable),
      tls,
      rotation: {
        role: textOf(rotation, "role", `${variable}.rotation`),
        actsAs: textOf(rotation, "actsAs", `${variable}.rotation`),
      },
      groups: own.groups,
    },
    users: new Map(Object.entries(own.users)),
  };
}
