import type { Path } from "../load/node.ts";
import { quote } from "../load/quote.ts";
import type { ConsumerEntry } from "../schema/secret.ts";
import type { Subject } from "./subject.ts";

/** Consumers are services of the system and take fields that exist. */
export function checkConsumers(
  { file }: Subject,
  place: Path,
  consumers: Record<string, ConsumerEntry | null> | undefined,
  fields: string[],
): void {
  const services = file.names("services");
  for (const [service, consumer] of Object.entries(consumers ?? {})) {
    const own = [...place, service];
    file.checkReference(own, service, "a service of this system", services, "key");
    checkAs({ file }, own, consumer ?? {}, fields);
  }
}

/** Variables take fields that exist; file names belong to _FILE variables. */
export function checkAs(
  { file }: Pick<Subject, "file">,
  place: Path,
  { as, files }: Pick<ConsumerEntry, "as" | "files">,
  fields: string[],
): void {
  for (const [variable, field] of Object.entries(as ?? {})) {
    file.checkReference([...place, "as", variable], field, "a field of this secret", fields);
  }
  for (const variable of Object.keys(files ?? {})) {
    if (as?.[variable] === undefined) {
      file.checkReference(
        [...place, "files", variable],
        variable,
        "a variable of as",
        Object.keys(as ?? {}),
        "key",
      );
    } else if (!variable.endsWith("_FILE")) {
      file.report(
        [...place, "files", variable],
        "names a file for a variable that holds the value: end the variable in _FILE",
        "key",
      );
    }
  }
}

/** Templates use fields that exist, and hold no value of their own. */
export function checkTemplates(
  { file }: Subject,
  place: Path,
  templates: Record<string, string> | undefined,
  fields: readonly string[],
  known: readonly string[],
): void {
  for (const [name, template] of Object.entries(templates ?? {})) {
    const own = [...place, name];
    if (fields.includes(name)) {
      file.report(own, `has the name of a field: take another name than ${fields.join(", ")}`, "key");
    }
    if (/:\/\/[^\s/@:]*:[^\s/@{]+@/.test(template)) {
      file.report(own, "holds a password: write {password} in its place and change the password");
      continue;
    }
    const tokens = [...template.matchAll(/\{([^{}]*)\}/g)].map(([, token]) => token ?? "");
    if (/[{}]/.test(template.replaceAll(/\{[^{}]*\}/g, ""))) {
      file.report(own, "has a brace without its pair: write {FIELD}");
    } else if (tokens.length === 0) {
      file.report(own, `uses no field: write one of ${known.map((token) => `{${token}}`).join(", ")}`);
    }
    for (const token of tokens) {
      if (!known.includes(token))
        file.report(
          own,
          `uses {${token.length > 40 ? "…" : quote(token).slice(1, -1)}}: write one of ${known.map((k) => `{${k}}`).join(", ")}`,
        );
    }
  }
}
