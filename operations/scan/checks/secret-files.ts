import type { Kind } from "../detector.ts";
import type { Finding } from "../finding.ts";
import { git, parts } from "../git.ts";
import type { Repository } from "./repository.ts";

const tracked: Kind = {
  id: "secret-file-tracked",
  what: "a file that is never committed",
  revoke: "replace what it holds where it is valid, then git rm --cached it and ignore it",
};
const ignoredAndTracked: Kind = {
  id: "ignored-file-tracked",
  what: "a tracked file that an ignore rule names",
  revoke: "git rm --cached it, or take the rule back",
};

/** Names whose content is secret by what they are (R6), each with the patterns by which archives leave them out (R58). */
const names: readonly { name: RegExp; patterns: readonly string[] }[] = [
  {
    // Environment files, but for their examples.
    name: /(?:^|\/)\.env(?:\.|$)(?!(?:.*\.)?(?:example|sample|template|dist|defaults|schema)$)/i,
    patterns: [".env", ".env.*"],
  },
  ...["pem", "key", "p12", "pfx", "jks", "keystore", "ppk", "kdbx", "ovpn"].map((end) => ({
    name: new RegExp(`\\.${end}$`, "i"),
    patterns: [`*.${end}`],
  })),
  {
    name: /(?:^|\/)(?:credentials|secrets?|service[-_]?account(?:[-_]key)?|client_secret[\w.-]*)\.json$/i,
    patterns: [
      ...["credentials.json", "secret.json", "secrets.json", "client_secret*.json"],
      ...["", "-", "_"].flatMap((between) => [
        `service${between}account.json`,
        `service${between}account[-_]key.json`,
      ]),
    ],
  },
  ...[
    ...["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".pgpass", ".netrc", ".htpasswd"],
    ...[
      ".git-credentials",
      ".vault-token",
      ".pypirc",
      "keys.txt",
      "terraform.tfstate",
      "terraform.tfstate.backup",
    ],
  ].map((file) => ({
    name: new RegExp(`(?:^|/)${file.replaceAll(".", "\\.")}$`, "i"),
    patterns: [file],
  })),
  {
    // Everything decrypted in the Git bootstrap.
    name: /(?:^|\/)bootstrap\/(?!.*\.enc\.(?:ya?ml|json|env|ini)$)[^/]*\.(?:ya?ml|json|env|ini|txt)$/i,
    patterns: [],
  },
  {
    name: /\.(?:dec|decrypted|plain)\.(?:ya?ml|json|env|ini)$/i,
    patterns: ["dec", "decrypted", "plain"].flatMap((word) =>
      ["yaml", "yml", "json", "env", "ini"].map((end) => `*.${word}.${end}`),
    ),
  },
];

/**
 * What `tar --exclude-from` and `rsync --exclude-from` leave out, a pattern a line. Neither takes a pattern back, so the
 * examples of environment files go as well, and of a Git bootstrap only what is decrypted by its name.
 */
export const archiveExcludes: readonly string[] = names.flatMap(({ patterns }) => patterns);

/** No file of these names is tracked, and none that an ignore rule names. */
export async function secretFiles({ root, paths }: Repository): Promise<Finding[]> {
  const named = paths.filter(isSecretFile);
  const ignored = parts(await git(root, ["ls-files", "-ci", "--exclude-per-directory=.gitignore", "-z"]));
  return [
    ...named.map((path) => ({
      kind: tracked,
      path,
      line: 1,
      column: 1,
      message: "a tracked file whose content is secret by its name",
    })),
    ...ignored
      .filter((path) => !named.includes(path))
      .map((path) => ({
        kind: ignoredAndTracked,
        path,
        line: 1,
        column: 1,
        message: "a tracked file that .gitignore names",
      })),
  ];
}

export function isSecretFile(path: string): boolean {
  return names.some(({ name }) => name.test(path));
}
