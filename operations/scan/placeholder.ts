import { isRandom, wordiness } from "./randomness.ts";

/** Words that say that a value is none. Not shorter ones: random text has them by chance. */
const words =
  /example|sample|placeholder|change[_-]?me|replace[_-]?(?:me|with|this)|redacted|masked|dummy|fake|invalid|your[_-]|[_-]here\b|insert[_-]|not[_-]?a[_-]?real|todo|fixme|x{6}|\*{3}|\.{3}|…|-{6}|0{8}|123456789|abcdefgh|deadbeef/i;

/** Whether a value says of itself that it is none: documentation, templates, masks (`[REDACTED]`, `****`). */
export function isPlaceholder(value: string): boolean {
  const found = words.exec(value);
  return found !== null && !isByChance(value, found.index, found[0]);
}

/**
 * Whether a word stands in the middle of random text, which then says nothing of itself: nobody who writes `example` writes
 * it between letters and digits that are none. Capitals do stand so: AWS' own `…bPxRfiCYEXAMPLEKEY`.
 */
function isByChance(value: string, at: number, word: string): boolean {
  const [before, after] = [value.slice(0, at), value.slice(at + word.length)];
  if (!/^[a-z]+$/i.test(word) || !/[a-z]/.test(word)) return false;
  if (!/[A-Za-z0-9]$/.test(before) || !/^[A-Za-z0-9]/.test(after)) return false;
  const rest = before + after;
  return isRandom(rest, 16) && wordiness(rest) < 0 && !isPlaceholder(rest);
}

/** Where the value comes from something else: variables, templates, calls, references, paths, types. */
const references: readonly RegExp[] = [
  // $NAME, ${NAME}, $(command); hashes such as $2b$ and $argon2id$ are no values either.
  /^(?:\$[A-Za-z_{([\d]|\{|<[^>]*>?$|%[A-Za-z_]|[&*!@][A-Za-z_]\w*$|\[)/,
  /\$\{|\{\{|#\{|<%[^%]*%>|%\([^)]*\)|\$\([^)]*\)|\$\[\[/,
  /^%[A-Za-z0-9_]+%$/,
  // Another store's reference.
  /^(?:vault|op|ssm|secretsmanager|arn|env|file|ref\+\w+|sops|hmac-sha256|gcpsm|azurekv|data|sha\d+|urn|bao|ENC)[:[]/i,
  /^ENC\[/,
  // A variable or a property of one.
  /^(?:process\.env|os\.environ|import\.meta|config|settings|secrets?|env|vars?|self|this|options|args|params|props|local|data|module|credentials?)\.[A-Za-z_]/,
  /^[A-Za-z_][A-Za-z0-9_.]*\(/,
  // A path or a file.
  /^(?:~|\.{1,2})?\/(?:[a-z0-9_.-]+\/)+[A-Za-z0-9_.-]*$/,
  /^[A-Za-z]:\\/,
  /^[\w./-]+\.(?:pem|key|crt|json|ya?ml|txt|env|ts|js|py|go|md|enc|toml|conf|cfg|sh|p12|jks|properties)$/i,
  /^https?:\/\//i,
  // Types, and names in capitals.
  /^(?:string|str|text|bytes|boolean|number|null|none|nil|undefined|true|false|required|optional|secret|password)\b/i,
  /^[A-Z][A-Z_]{3,}$/,
];

/** Whether a text names where a value is, instead of being one. */
export function isReference(value: string): boolean {
  return references.some((reference) => reference.test(value));
}

/** What everybody's documentation has behind `user:`. Longer ones that are no words are judged by their form. */
const wellKnown = new Set(
  "password passwd pass pwd secret secretpassword mypassword userpassword dbpassword supersecret user username admin administrator root test testing tests guest postgres mysql redis mongo mongodb rabbitmq minio minioadmin default public private none null empty token foo bar baz qux hello world demo example localhost letmein qwerty welcome".split(
    " ",
  ),
);

/** Whether a password is one of those that stand in documentation, perhaps with a few digits. */
export function isWellKnown(password: string): boolean {
  return wellKnown.has(password.toLowerCase().replace(/[\d!@#$_.-]+$/, ""));
}
