import { fileName } from "../derive/secrets.ts";
import { servicesOf, settingOf } from "../derive/systems.ts";
import { show } from "../load/check.ts";
import type { Path } from "../load/node.ts";
import type { ConsumerEntry } from "../schema/secret.ts";
import type { Subject } from "./subject.ts";

/** One variable and one file of a service have one source. */
export function checkVariables(subject: Subject): void {
  const { file, system } = subject;
  const taken = new Map<string, string>();
  const claim = (what: string, service: string, name: string, path: Path, source: string): boolean => {
    const key = `${what} ${service} ${name}`;
    const before = taken.get(key);
    if (before === undefined) taken.set(key, source);
    if (before === undefined || before === source) return true;
    file.report(path, `gives ${service} the ${what} ${name}, as ${before} does: keep one of the two`, "key");
    return false;
  };
  for (const [service, consumer, place] of consumersOf(subject)) {
    const entry = system.services?.[service];
    for (const [variable, field] of Object.entries(consumer.as ?? {})) {
      const path = [...place, "as", variable];
      if (!claim("variable", service, variable, path, show(place)) || !variable.endsWith("_FILE")) continue;
      const name = consumer.files?.[variable] ?? fileName(variable);
      claim("file", service, name, path, `${field} of ${show(place)}`);
      if (entry?.["runs-on"] === "paas") {
        file.report(
          path,
          `ends in _FILE, but ${service} runs on a PaaS, which has variables only: drop _FILE`,
          "key",
        );
      } else if (entry?.deliver?.[0] !== undefined && entry.deliver.every(({ to }) => to === "env-file")) {
        file.report(
          path,
          `needs a file, but ${service} is delivered an env-file only: add { to: files, folder: … } to its deliver`,
          "key",
        );
      }
    }
  }
  for (const [name, entry] of Object.entries(system.settings ?? {})) {
    const { services } = settingOf(entry);
    for (const service of servicesOf(system, services)) {
      claim("variable", service, name, ["settings", name], `settings.${name}`);
    }
  }
}

/** What each service consumes, and where that stands. Retired secrets reach nobody. */
export function* consumersOf({ system }: Subject): Generator<[string, ConsumerEntry, Path]> {
  for (const [name, entry] of Object.entries(system.secrets ?? {})) {
    if (entry.retired !== undefined) continue;
    for (const [service, consumer] of Object.entries(entry.consumers ?? {})) {
      yield [service, consumer ?? {}, ["secrets", name, "consumers", service]];
    }
  }
  for (const [name, entry] of Object.entries(system.databases ?? {})) {
    if (entry.retired !== undefined) continue;
    for (const [user, { as, files, rotate, retired, consumers: said }] of Object.entries(entry.users ?? {})) {
      if (rotate === undefined || retired !== undefined) continue;
      const place = ["databases", name, "users", user];
      if (said === undefined) yield [user, { ...(as && { as }), ...(files && { files }) }, place];
      for (const [service, consumer] of Object.entries(said ?? {})) {
        yield [service, consumer ?? {}, [...place, "consumers", service]];
      }
    }
  }
}
