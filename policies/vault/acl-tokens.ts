/** A policy text that cannot be read: what it allows is not known. */
export class AclTextError extends Error {
  override name = "AclTextError";
}

/**
 * Quoted texts, names, numbers and signs of a policy text, without blanks and comments. Read letter by letter, since every
 * policy passes here: an expression for a token takes three times as long.
 * @throws AclTextError for anything else
 */
export function aclTokens(policy: string): string[] {
  const tokens: string[] = [];
  let at = 0;
  while (at < policy.length) {
    const end = endOf(policy, at);
    if (end === at) throw new AclTextError(`line ${policy.slice(0, at).split("\n").length} cannot be read`);
    if ((kindOf(policy, at) & between) === 0) tokens.push(policy.slice(at, end));
    at = end;
  }
  return tokens;
}

/** Kinds of characters, by what begins with them; a name goes on with digits and hyphens. */
const [blank, comment, quote, letter, digit, hyphen, sign] = [1, 2, 4, 8, 16, 32, 64] as const;
const between = blank | comment;

const kinds = new Uint8Array(128);
for (const [kind, characters] of [
  [blank, " \t\n\v\f\r"],
  [comment, "#/"],
  [quote, '"'],
  [letter, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"], // pragma: allowlist secret
  [digit, "0123456789"],
  [hyphen, "-"],
  [sign, "={}[],"],
] as const) {
  for (const character of characters) kinds[character.charCodeAt(0)] = kind;
}

function kindOf(policy: string, at: number): number {
  const code = policy.charCodeAt(at);
  return kinds[code] ?? (/\s/.test(policy.charAt(at)) ? blank : 0);
}

/** Where what begins at a place ends; the place itself where nothing of the language does. */
function endOf(policy: string, at: number): number {
  switch (kindOf(policy, at)) {
    case blank:
      return endOfAll(blank, policy, at);
    case letter:
      return endOfAll(letter | digit | hyphen, policy, at);
    case digit:
      return endOfAll(digit, policy, at);
    case quote:
      return endOfText(policy, at);
    case comment:
      return endOfComment(policy, at);
    case sign:
      return at + 1;
    default:
      return at;
  }
}

function endOfAll(some: number, policy: string, from: number): number {
  let at = from;
  while (at < policy.length && (kindOf(policy, at) & some) !== 0) at++;
  return at;
}

/** A text has no control character and ends at a quote that has no backslash before it. */
function endOfText(policy: string, from: number): number {
  for (let at = from + 1; at < policy.length; at++) {
    const code = policy.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (code < 0x20) break;
    if (code === 0x5c) at++;
  }
  return from;
}

function endOfComment(policy: string, from: number): number {
  if (policy.startsWith("/*", from)) {
    const end = policy.indexOf("*/", from + 2);
    return end < 0 ? from : end + 2;
  }
  if (policy.charAt(from) !== "#" && !policy.startsWith("//", from)) return from;
  const end = policy.indexOf("\n", from);
  return end < 0 ? policy.length : end;
}
