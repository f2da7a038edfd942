import type { Kind } from "../detector.ts";
import type { Finding } from "../finding.ts";
import { git, parts } from "../git.ts";
import type { Repository } from "./repository.ts";

const missing: Kind = {
  id: "ignore-rule-missing",
  what: "an ignore rule that is missing",
  revoke: "add the rule to .gitignore",
};

/** Rules that every repository has (R6), each with files that it must keep out, also in a folder below. */
export const required: readonly { rule: string; files: readonly string[] }[] = [
  { rule: ".env", files: [".env", "services/api/.env"] },
  { rule: ".env.*", files: [".env.local", ".env.production", "services/api/.env.production.local"] },
  { rule: "*.pem", files: ["server.pem", "services/api/server.pem"] },
  { rule: "*.key", files: ["server.key", "services/api/server.key"] },
  { rule: "credentials.json", files: ["credentials.json", "services/api/credentials.json"] },
  { rule: "secrets.json", files: ["secrets.json", "services/api/secrets.json"] },
];

/** Where a Git bootstrap is: what sops decrypts beside its files. */
const bootstrap = {
  rule: "bootstrap/*",
  files: ["bootstrap/production.yaml", "bootstrap/production.dec.yaml"],
};

/**
 * Git itself says what its rules keep out. Only rules of the repository's own files count: another clone has none of
 * this machine's.
 */
export async function ignoreRules({ root, paths }: Repository): Promise<Finding[]> {
  const wanted = [...required, ...(paths.some((path) => path.startsWith("bootstrap/")) ? [bootstrap] : [])];
  const input = wanted.flatMap(({ files }) => files).join("\0");
  const fields = parts(
    await git(root, ["check-ignore", "--no-index", "--verbose", "--non-matching", "--stdin", "-z"], {
      input: `${input}\0`,
      ends: [1],
    }),
  );
  const kept = new Set<string>();
  for (let at = 0; at + 3 < fields.length; at += 4) {
    const [source = "", , pattern = "", path = ""] = fields.slice(at, at + 4);
    if (/(?:^|\/)\.gitignore$/.test(source) && !source.startsWith("/") && !pattern.startsWith("!"))
      kept.add(path);
  }
  return wanted
    .filter(({ files }) => files.some((file) => !kept.has(file)))
    .map(({ rule }) => ({
      kind: missing,
      path: ".gitignore",
      line: 1,
      column: 1,
      message: `nothing ignores ${rule}`,
    }));
}
