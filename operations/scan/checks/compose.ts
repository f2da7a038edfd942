import type { Kind } from "../detector.ts";
import type { Finding } from "../finding.ts";
import { isInlineSecret } from "./literal.ts";
import type { Repository } from "./repository.ts";
import { findingsAt, type Place } from "./yaml.ts";

const inline: Kind = {
  id: "compose-inline-secret",
  what: "a secret that stands in a Compose file",
  revoke:
    "replace the value, and name an env-file or a secret there instead (keyplane run, or delivery by compose-secrets)",
};

/** Compose files hold no value (R42): variables, env-files and secrets name where it is. */
export async function composeFiles({ paths, read }: Repository): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const path of paths.filter(isComposeFile)) {
    const text = await read(path);
    if (text !== undefined) findings.push(...inCompose(path, text));
  }
  return findings;
}

export function isComposeFile(path: string): boolean {
  return /(?:^|\/)(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml$/.test(path);
}

/** What of one Compose file is a value. */
export function inCompose(path: string, text: string): Finding[] {
  return findingsAt(text, (place) => {
    const name = secretIn(place);
    if (name === undefined) return undefined;
    const { line, column } = place;
    return { kind: inline, path, line, column, message: `${name} has its value in the file` };
  });
}

/** The name of a secret that this scalar gives a value: `environment`, `build.args`, and a config's or secret's content. */
function secretIn({ keys, value }: Place): string | undefined {
  const [top, , third, fourth] = keys;
  if (top === "secrets" && third === "content") return keys[1];
  if (top !== "services") return undefined;
  const place =
    third === "build" && fourth === "args"
      ? keys.slice(4)
      : third === "environment"
        ? keys.slice(3)
        : undefined;
  const [key] = place ?? [];
  if (place?.length !== 1 || key === undefined) return undefined;
  const [name = "", given] = /^\d+$/.test(key) ? split(value) : [key, value];
  return given !== undefined && isInlineSecret(name, given) ? name : undefined;
}

function split(text: string): [string, string | undefined] {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
