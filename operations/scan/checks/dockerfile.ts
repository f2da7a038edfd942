import type { Kind } from "../detector.ts";
import type { Finding } from "../finding.ts";
import { secrecyOf } from "../secret-name.ts";
import { isDockerfile } from "./archive-rules.ts";
import type { Repository } from "./repository.ts";
import { isSecretFile } from "./secret-files.ts";

const built: Kind = {
  id: "image-secret",
  what: "a secret that an image keeps",
  revoke:
    "replace the value if one was built in; give it while building by RUN --mount=type=secret, while running by an env-file or a file",
};

/** Images hold no secret (R55): what ARG and ENV carry, and what is copied, stays in their layers and history. */
export async function dockerfiles({ paths, read }: Repository): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const path of paths.filter(isDockerfile)) {
    const text = await read(path);
    if (text !== undefined) findings.push(...inDockerfile(path, text));
  }
  return findings;
}

/** What of one Dockerfile stays in the image. */
export function inDockerfile(path: string, text: string): Finding[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const [, instruction = "", rest = ""] = /^\s*(ARG|ENV|COPY|ADD)\s+(.*)$/i.exec(line) ?? [];
    const at = (word: string, message: string): Finding => ({
      kind: built,
      path,
      line: index + 1,
      column: line.indexOf(word) + 1,
      message,
    });
    if (/^(?:ARG|ENV)$/i.test(instruction)) {
      return namesIn(rest)
        .filter((name) => secrecyOf(name) !== "none" && !/_FILE$/i.test(name))
        .map((name) => at(name, `${instruction.toUpperCase()} ${name} stays in the image's history`));
    }
    if (/^(?:COPY|ADD)$/i.test(instruction)) {
      const sources = rest
        .split(/\s+/)
        .filter((word) => word !== "" && !word.startsWith("--"))
        .slice(0, -1);
      return sources
        .filter((source) => isSecretFile(source))
        .map((source) => at(source, `${source} becomes a part of the image`));
    }
    return [];
  });
}

/** `A=1 B=2`, or the old `NAME value`. */
function namesIn(rest: string): string[] {
  const assigned = [...rest.matchAll(/(?:^|\s)([A-Za-z_]\w*)=/g)].map(([, name = ""]) => name);
  if (assigned.length > 0) return assigned;
  const [, first] = /^([A-Za-z_]\w*)/.exec(rest) ?? [];
  return first === undefined ? [] : [first];
}
