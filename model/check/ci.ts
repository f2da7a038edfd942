import { databaseSecretName } from "../derive/secrets.ts";
import { seconds } from "../duration.ts";
import { kinds, longestCredential } from "../kinds.ts";
import { quote } from "../load/quote.ts";
import type { System } from "../schema/system.ts";
import type { Subject } from "./subject.ts";

/** CI jobs read secrets of their own system that exist, and log in from its repository. */
export function checkCi({ file, system, declared }: Subject): void {
  const jobs = Object.entries(system.ci ?? {});
  if (jobs.length > 0 && system.repository === undefined) {
    file.report(["repository"], "is missing, but ci has jobs: write { name: …, id: …, owner-id: … } (R11)");
  }
  const fields = fieldsBySecret(system);
  const named = file.names("secrets");
  const known = named && [...new Set([...fields.keys(), ...named])];
  for (const [name, entry] of jobs) {
    const place = ["ci", name];
    for (const [index, secret] of entry.reads.entries()) {
      file.checkReference([...place, "reads", index], secret, "a secret of this system", known);
    }
    for (const [index, environment] of (entry.environments ?? []).entries()) {
      file.checkReference(
        [...place, "environments", index],
        environment,
        "an environment",
        declared?.environments,
      );
    }
    for (const [variable, target] of Object.entries(entry.as ?? {})) {
      const [secret = "", field = ""] = target.split(".");
      const own = [...place, "as", variable];
      file.checkReference(own, secret, "a secret that the job reads", entry.reads);
      if (entry.reads.includes(secret))
        file.checkReference(own, field, `a field of ${secret}`, fields.get(secret));
    }
    if (entry.ttl !== undefined && seconds(entry.ttl) > longestCredential) {
      file.reportValue([...place, "ttl"], "write at most 1h (R13)");
    }
    for (const [index, { to }] of (entry.deliver ?? []).entries()) {
      if (to !== "github-actions") {
        file.report(
          [...place, "deliver", index, "to"],
          `is ${quote(to)}: write github-actions, a job has no other place`,
        );
      }
    }
    if (entry.deliver !== undefined && entry.as === undefined) {
      file.report(
        [...place, "deliver"],
        "delivers nothing: write as: { VARIABLE: SECRET.FIELD } beside it",
        "key",
      );
    }
  }
}

/** Fields of each secret, assembled ones and database passwords included. */
function fieldsBySecret(system: System): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const [name, entry] of Object.entries(system.secrets ?? {})) {
    fields.set(name, [...(entry.fields ?? kinds[entry.kind].fields), ...Object.keys(entry.templates ?? {})]);
  }
  for (const [database, entry] of Object.entries(system.databases ?? {})) {
    for (const [user, { rotate, templates }] of Object.entries(entry.users ?? {})) {
      if (rotate === undefined) continue;
      fields.set(databaseSecretName(database, user), [
        ...kinds["postgres-password"].fields,
        ...Object.keys(templates ?? {}),
      ]);
    }
  }
  return fields;
}
