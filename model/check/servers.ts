import { physical } from "../derive/context.ts";
import { placeOf } from "../derive/databases.ts";
import type { Path } from "../load/node.ts";
import type { Subject } from "./subject.ts";

/**
 * Postgres knows roles by server, not by database: two systems on one server with a group of one name would
 * share its rights. The same for its users and databases.
 */
export function checkServers(subjects: Subject[]): void {
  const taken = new Map<string, string>();
  for (const { file, system, environment, organization } of subjects) {
    if (organization === undefined) continue;
    const claim = (what: string, server: string, name: string, path: Path, who: string) => {
      const key = `${what} ${server} ${name}`;
      const before = taken.get(key);
      if (before === undefined) taken.set(key, who);
      else if (before !== who) {
        file.report(
          path,
          `is also a ${what} of ${before} on the same server in ${environment}: take a name of its own`,
          "key",
        );
      }
    };
    for (const [name, entry] of Object.entries(system.databases ?? {})) {
      if (!Object.hasOwn(entry.at, environment)) continue;
      const place = placeOf(
        { block: organization.environments[environment] ?? {}, environment },
        system,
        name,
        entry,
      );
      const server = `${place.host}:${place.port}`;
      const who = `${system.system}/${name}`;
      claim("database", server, place.database, ["databases", name], who);
      for (const group of Object.keys(entry.groups))
        claim("role", server, group, ["databases", name, "groups", group], who);
      for (const [user, userEntry] of Object.entries(entry.users ?? {})) {
        if (userEntry.rotate === undefined) continue;
        claim("role", server, physical(user, userEntry), ["databases", name, "users", user], `${who} (user)`);
      }
    }
  }
}
