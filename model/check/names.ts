import { physical } from "../derive/context.ts";
import { databaseSecretName } from "../derive/secrets.ts";
import type { Path } from "../load/node.ts";
import { quote } from "../load/quote.ts";
import type { Subject } from "./subject.ts";

interface Named {
  path: Path;
  name: string;
  /** The name that its data lives under. */
  stored: string;
}

/** Two entries never share a name or the name that their data lives under. */
export function checkNames({ file, system }: Subject): void {
  const named = (section: "services" | "secrets" | "databases" | "encryption-keys"): Named[] =>
    Object.entries(system[section] ?? {}).map(([name, entry]) => ({
      path: [section, name],
      name,
      stored: physical(name, entry),
    }));
  const passwords = Object.entries(system.databases ?? {}).flatMap(([database, entry]) =>
    Object.entries(entry.users ?? {})
      .filter(([, user]) => user.rotate !== undefined)
      .map(
        ([user, userEntry]): Named => ({
          path: ["databases", database, "users", user],
          name: databaseSecretName(database, user),
          stored: databaseSecretName(physical(database, entry), physical(user, userEntry)),
        }),
      ),
  );
  const secrets = [...named("secrets"), ...passwords];
  const keys = named("encryption-keys");
  const groups = [named("services"), secrets, named("databases"), keys];
  const names = new Set(secrets.map(({ name }) => name));
  for (const { path, name } of keys) {
    if (names.has(name)) {
      file.report(
        path,
        "has the name of a secret, and `keyplane rotate` takes both: take another name",
        "key",
      );
    }
  }
  for (const group of groups)
    reportCollisions(group, (entry, message) => file.report(entry.path, message, "key"));
  for (const entry of groups.flat()) {
    if (
      entry.path.length === 2 &&
      file.names(...entry.path)?.includes("renamed-from") === true &&
      entry.stored === entry.name
    ) {
      file.reportValue([...entry.path, "renamed-from"], "write the entry's former name, or remove it");
    }
  }
}

function reportCollisions<E extends Named>(entries: E[], report: (entry: E, message: string) => void): void {
  const stored = new Map<string, E>();
  for (const entry of entries) {
    // Postgres and Kubernetes know no difference between - and _ after their names were made to fit.
    const key = entry.stored.replaceAll("_", "-");
    const before = stored.get(key);
    if (before === undefined) stored.set(key, entry);
    else {
      report(
        entry,
        `would be stored as ${quote(entry.stored)}, as ${quote(before.name)} already is: take a name that was never used, or the right renamed-from`,
      );
    }
  }
}

/** Names of systems: one is the platform's own, and no two share where their data lives. */
export function checkSystemNames(subjects: Subject[]): void {
  const named = subjects.map(({ file, system }) => ({
    file,
    path: ["system"],
    name: system.system,
    stored: physical(system.system, system),
  }));
  for (const { file, stored, name } of named) {
    if (stored === "keyplane" || name === "keyplane") {
      file.report(["system"], 'is "keyplane", the platform\'s own name: take another name');
    }
  }
  const distinct = named.filter(
    ({ name }, index) => named.findIndex((other) => other.name === name) === index,
  );
  reportCollisions(distinct, (entry, message) => entry.file.report(entry.path, message));
}
