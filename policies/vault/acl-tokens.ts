/** A policy text that cannot be read: what it allows is not known. */
export class AclTextError extends Error {
  override name = "AclTextError";
}

/** What a token is: a sign is its own character's code. */
export const [end, quoted, word, number] = [0, 1, 2, 3] as const;
export const [comma, equals, listBegin, listEnd, mapBegin, mapEnd] = [
  0x2c, 0x3d, 0x5b, 0x5d, 0x7b, 0x7d,
] as const;

/**
 * Quoted texts, words (names and numbers) and signs of a policy text, one at a time, without blanks and comments. Read
 * letter by letter and cut out only where somebody asks for the token, since every policy passes here.
 */
export class AclTokens {
  readonly #policy: string;
  #from = 0;
  #to = 0;
  /** Of the token at hand. */
  kind = 0;

  /** @throws AclTextError as `advance` does */
  constructor(policy: string) {
    this.#policy = policy;
    this.advance();
  }

  /** The token at hand, as it stands there; "the end" has none. */
  get token(): string {
    return this.#policy.slice(this.#from, this.#to);
  }

  /**
   * Goes to the next token.
   * @throws AclTextError where nothing of the language stands
   */
  advance(): void {
    const policy = this.#policy;
    for (let at = this.#to; at < policy.length; ) {
      const kind = kindOf(policy, at);
      const to = endOf(kind, policy, at);
      if (to === at) throw new AclTextError(`line ${policy.slice(0, at).split("\n").length} cannot be read`);
      if ((kind & between) === 0) {
        this.#from = at;
        this.#to = to;
        this.kind = kind === sign ? policy.charCodeAt(at) : (tokenOf[kind] ?? end);
        return;
      }
      at = to;
    }
    this.#from = this.#to = policy.length;
    this.kind = end;
  }
}

/** Kinds of characters, by what begins with them; a name goes on with digits and hyphens. */
const [blank, comment, quote, letter, digit, hyphen, sign] = [1, 2, 4, 8, 16, 32, 64] as const;
const between = blank | comment;

const tokenOf: Readonly<Record<number, number>> = { [quote]: quoted, [letter]: word, [digit]: number };

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
function endOf(kind: number, policy: string, at: number): number {
  switch (kind) {
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
