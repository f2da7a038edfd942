import type { Kind } from "../detector.ts";
import type { Finding } from "../finding.ts";
import { git, parts } from "../git.ts";
import { required } from "./ignore-rules.ts";
import type { Repository } from "./repository.ts";

const exported: Kind = {
  id: "archive-rule-missing",
  what: "a rule that is missing for archives",
  revoke: "add the line to .gitattributes",
};
const sent: Kind = {
  id: "build-context-rule-missing",
  what: "a rule that is missing for a build's context",
  revoke: "add the line to .dockerignore",
};

/**
 * Secret files stay out of archives (R58): `export-ignore` for `git archive`, `.dockerignore` for what a build is sent.
 * For tar and rsync `archiveExcludes` of secret-files.ts is the list.
 */
export async function archiveRules(repository: Repository): Promise<Finding[]> {
  const { root, paths } = repository;
  const files = required.flatMap(({ files }) => files);
  const fields = parts(await git(root, ["check-attr", "-z", "export-ignore", "--", ...files]));
  const kept = new Set<string>();
  for (let at = 0; at + 2 < fields.length; at += 3) if (fields[at + 2] === "set") kept.add(fields[at] ?? "");
  const findings = required
    .filter(({ files }) => files.some((file) => !kept.has(file)))
    .map(({ rule }) =>
      at(exported, ".gitattributes", `nothing keeps ${rule} out of an archive: ${rule} export-ignore`),
    );
  for (const dockerfile of paths.filter(isDockerfile)) {
    const folder = dockerfile.slice(0, dockerfile.lastIndexOf("/") + 1);
    // The context is the Dockerfile's folder or the root; whichever has the list.
    const own = [`${dockerfile}.dockerignore`, `${folder}.dockerignore`, ".dockerignore"].find((path) =>
      paths.includes(path),
    );
    const lines = own === undefined ? [] : linesOf((await repository.read(own)) ?? "");
    for (const { rule } of required) {
      if (!lines.some((line) => covers(line, rule))) {
        findings.push(
          at(
            sent,
            own ?? `${folder}.dockerignore`,
            `nothing keeps ${rule} out of what ${dockerfile} is sent: **/${rule}`,
          ),
        );
      }
    }
  }
  return findings;
}

export function isDockerfile(path: string): boolean {
  return (
    /(?:^|\/)(?:Dockerfile|Containerfile)(?:\.[\w-]+)?$|\.(?:Dockerfile|Containerfile)$/.test(path) &&
    !path.endsWith(".dockerignore")
  );
}

function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** Whether a line of .dockerignore covers a rule in every folder. Anything else than these forms is not understood. */
function covers(line: string, rule: string): boolean {
  const pattern = line.replace(/^\/?\*\*\//, "**/");
  if (pattern === "*" || pattern === "**") return true;
  if (!pattern.startsWith("**/")) return false;
  const name = pattern.slice(3);
  return name === rule || (rule.startsWith(".env") && name === ".env*");
}

function at(kind: Kind, path: string, message: string): Finding {
  return { kind, path, line: 1, column: 1, message };
}
