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

/**
 * Names whose content is secret by what they are (R6): environment files, keys and key stores, files of credentials,
 * and everything decrypted in the Git bootstrap.
 */
const names: readonly RegExp[] = [
  /(?:^|\/)\.env(?:\.|$)(?!(?:.*\.)?(?:example|sample|template|dist|defaults|schema)$)/i,
  /\.(?:pem|key|p12|pfx|jks|keystore|ppk|kdbx|ovpn)$/i,
  /(?:^|\/)(?:credentials|secrets?|service[-_]?account(?:[-_]key)?|client_secret[\w.-]*)\.json$/i,
  /(?:^|\/)(?:id_(?:rsa|dsa|ecdsa|ed25519)|\.pgpass|\.netrc|\.htpasswd|\.git-credentials|\.vault-token|\.pypirc|keys\.txt)$/i,
  /(?:^|\/)bootstrap\/(?!.*\.enc\.(?:ya?ml|json|env|ini)$)[^/]*\.(?:ya?ml|json|env|ini|txt)$/i,
  /\.(?:dec|decrypted|plain)\.(?:ya?ml|json|env|ini)$/i,
  /(?:^|\/)terraform\.tfstate(?:\.backup)?$/,
];

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
  return names.some((name) => name.test(path));
}
