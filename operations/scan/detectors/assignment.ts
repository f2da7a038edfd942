import { type Detector, endOf, type Match, type Syntax } from "../detector.ts";
import { isPlaceholder, isReference, isWellKnown } from "../placeholder.ts";
import { isRandom, wordiness } from "../randomness.ts";
import { type Secrecy, secrecyOf } from "../secret-name.ts";

const namePart = /[A-Za-z0-9_.-]/;
const longestName = 64;

/** What may close a name, before what assigns: a quote (perhaps an escaped one), a bracket. */
const close = /\\{0,3}["'`]?\]?/y;
/** A type between a name and its value: Python, TypeScript, Rust. */
const typed =
  /\??:[ \t]?(?:str|string|String|bytes|SecretStr|(?:Optional|Final)\[str\]|&(?:'static )?str|any)[ \t]{0,4}(?==[^=])/y;
/** What assigns or compares, or begins the only argument. */
const operator =
  /[ \t]{0,30}(?:=>|:=|[=!]==?|=|:(?![:=/])|\|\|=?|\?\?=?)[ \t]{0,30}|\(|[ \t]{0,4},[ \t]{0,4}(?=["'`])/y;
/** An argument of a command, an instruction of a Dockerfile, SQL. */
const blank = /[ \t]{1,4}/y;
/** `name: X` and `value: Y`, in YAML, JSON, HCL and XML. */
const valueBeside =
  /[ \t]{0,4}[,:]?(?:\r?\n[ \t-]{0,40}|[ \t]{1,4})\\{0,3}["']?[vV]alue\\{0,3}["']?[ \t]{0,20}[:=][ \t]{0,20}/y;
/** An element's text. */
const element = />/y;
const prefix =
  /(?:[rbfuLRBFU@$]{1,2}(?=["'`])|Buffer\.from\(|SecretStr\(|new String\(|os\.getenv\([^,\n]{1,60},[ \t]?|!!str[ \t]|ConvertTo-SecureString[ \t](?:-String[ \t])?)?/y;
const quoted = /(\\{0,3})(["'`])([^"'`\r\n]{1,600}?)\1\2/y;
/** An ampersand divides what stands in an address; what begins another name after it is no part of a value. */
const unquoted =
  /(?:[^\s"'`<>,;&(){}[\]\\|]|&(?!amp;|quot;|[A-Za-z_][\w.%-]{0,40}=)(?=[^\s"'`<>,;&(){}[\]\\|])){1,600}/y;
/** YAML's blocks, and a value on the line after its name. */
const below =
  /:[ \t]{0,4}(?:[|>][+-]?[ \t]{0,4})?\r?\n[ \t]{1,40}(?:-[ \t]{1,4})?(?=[^\s:#-][^\s:]{7,600}[ \t]{0,4}(?:\r?\n|$))/y;

/** Values that are assigned to names that say so. */
export const assignment: Detector = {
  kind: {
    id: "assigned-secret",
    what: "a value assigned to a secret's name",
    revoke: "replace it where it is checked",
  },
  anchors: [
    "passw",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "token",
    "cred",
    "key",
    "hmac",
    "dsn",
    "contrasena",
  ],
  ignoreCase: true,
  textOnly: true,
  find(text, at, syntax) {
    let [start, end] = [at, at];
    while (start > 0 && at - start < longestName && namePart.test(text[start - 1] as string)) start--;
    while (end < text.length && end - at < longestName && namePart.test(text[end] as string)) end++;
    const name = text.slice(start, end);
    const above = syntax === "plain" && /^keys?$/i.test(name) ? nameAbove(text, start) : "";
    const secrecy = secrecyOf(above === "" ? name : `${above}.${name}`);
    if (secrecy === "none") return undefined;
    const value = valueAfter(text, start, end, syntax);
    if (value === undefined) return undefined;
    const found = text.slice(value.start, value.end);
    // A key of an object store, and other paths.
    if (above !== "" && /^[a-z-]+\//.test(found)) return undefined;
    if (isSecret(found, secrecy, value.quoted)) return { ...value, ...special(found) };
    if (value.quoted) return hasSecretAmongWords(name, found, secrecy) ? value : undefined;
    const line = syntax === "plain" ? restOfLine(text, start, value.start) : undefined;
    return line !== undefined && hasSecretAmongWords(name, text.slice(line.start, line.end), secrecy)
      ? line
      : undefined;
  },
};

/** The name that a line's own stands below, in YAML, JSON and TOML: `api:` over `key: …`. "" where there is none. */
function nameAbove(text: string, at: number): string {
  const lines = text.slice(Math.max(0, at - 400), at).split("\n");
  const own = /^([ \t]*)["']?$/.exec(lines.pop() ?? "");
  if (own === null) return "";
  const indent = (own[1] as string).length;
  for (const line of lines.reverse()) {
    const [, before = "", section, key] =
      /^([ \t]*)(?:\[([\w.-]{1,64})\]|["'{]{0,3}([\w.-]{1,64})["']?[ \t]*[:=][ \t]*[{]?)[ \t\r]*$/.exec(
        line,
      ) ?? [];
    if (section !== undefined) return section;
    if (key !== undefined && before.length < indent) return key;
    // Whatever stands further left ends the block.
    if (/\S/.test(line) && line.search(/\S/) < indent) return "";
  }
  return "";
}

/** What stands behind a name that begins its line, up to the line's end or a comment; undefined where it has no blank. */
function restOfLine(text: string, nameStart: number, start: number): Match | undefined {
  const before = text.slice(Math.max(0, nameStart - 48), nameStart);
  if (!/(?:^|\n)[ \t]*(?:- |export )?$/.test(before)) return undefined;
  const [line = ""] = /^[^\r\n]{0,200}/.exec(text.slice(start, start + 200)) ?? [];
  const value = line.replace(/\s#.*$/, "").trimEnd();
  return /\s/.test(value) ? { start, end: start + value.length } : undefined;
}

interface Value extends Match {
  quoted: boolean;
}

function valueAfter(text: string, nameStart: number, nameEnd: number, syntax: Syntax): Value | undefined {
  const closed = endOf(close, text, nameEnd);
  let at = endOf(valueBeside, text, closed);
  if (at < 0 && syntax === "plain") at = endOf(below, text, closed);
  const before = text[nameStart - 1] ?? "\n";
  if (at < 0 && before === "<") at = endOf(element, text, nameEnd);
  if (at < 0) {
    const afterType = endOf(typed, text, closed);
    at = endOf(operator, text, afterType < 0 ? closed : afterType);
  }
  const plain = syntax === "plain";
  if (at < 0 && (text.startsWith("--", nameStart) || isInstruction(text, nameStart)))
    at = endOf(blank, text, nameEnd);
  if (
    at < 0 &&
    /^password$/i.test(text.slice(nameStart, nameEnd)) &&
    text[nameEnd] === " " &&
    text[nameEnd + 1] === "'"
  )
    at = nameEnd + 1;
  if (at < 0) return undefined;
  const begin = Math.max(at, endOf(prefix, text, at));
  quoted.lastIndex = begin;
  const found = quoted.exec(text);
  if (found !== null) {
    const [, escapes = "", , value = ""] = found;
    const start = begin + escapes.length + 1;
    return { start, end: start + value.length, quoted: true };
  }
  if (text[at - 1] === "(" || /["'`\\]/.test(text[begin] ?? "")) return undefined;
  const end = endOf(unquoted, text, begin);
  if (end < 0 || text[end] === "(" || text[end] === "[") return undefined;
  if (text[at - 1] === ">" && text[at - 2] !== "=" && !text.startsWith("</", end)) return undefined;
  // In code what is not quoted is an expression, unless it stands inside a string: `"host=db password=…"`.
  if (!plain && !(text[nameEnd] === "=" && at === nameEnd + 1 && isUnlikeCode(text.slice(begin, end))))
    return undefined;
  return { start: begin, end: end - (/[.:]$/.test(text.slice(begin, end)) ? 1 : 0), quoted: false };
}

function isUnlikeCode(value: string): boolean {
  return isRandom(value, 12) && /[0-9]/.test(value) && wordiness(value) < 0 && !value.includes(".");
}

/** `ENV NAME value`, the old form in a Dockerfile, and `#define NAME "value"`. */
function isInstruction(text: string, at: number): boolean {
  return /(?:^|\n)[ \t]*(?:ENV|ARG|#define)[ \t]+$/.test(text.slice(Math.max(0, at - 12), at));
}

function isSecret(value: string, secrecy: Secrecy, isQuoted: boolean): boolean {
  // Neither machines nor forms make values with blanks or letters beyond ASCII: those are sentences, mostly.
  if (value.length < 8 || value.length > 512 || /[\s\x80-\xff]/.test(value)) return false;
  if (isReference(value) || isPlaceholder(value)) return false;
  if (isRandom(value, 16)) return true;
  if (secrecy !== "password")
    return value.length >= 12 && isRandom(value, 12) && /[0-9]/.test(value) && wordiness(value) < 0;
  return isPassword(value, isQuoted);
}

/** Words of sentences, which are about a passphrase and none. */
const ofSentences =
  /\b(?:the|a|an|of|for|to|your|my|our|is|are|in|on|and|or|please|enter|with|not|no|must|be|this|that|key|when|if|from|by|as|it|use|used)\b/;

/**
 * Whether a text with blanks is a secret: one of its words looks drawn, or it is nothing but words and its name says that
 * it is a passphrase. Four groups of four letters are how Google writes an application's password.
 */
function hasSecretAmongWords(name: string, text: string, secrecy: Secrecy): boolean {
  if (!/^[\x20-\x7e]{8,200}$/.test(text) || !text.includes(" ") || isPlaceholder(text)) return false;
  if (/^[a-z]{4}(?: [a-z]{4}){3}$/.test(text)) return wordiness(text) < 6;
  if (/passphrase$/i.test(name) && /^[a-z]{3,12}(?: [a-z]{3,12}){3,9}$/.test(text)) {
    return !ofSentences.test(text);
  }
  return text.split(" ").some((word) => {
    if (/[/\\(){}<>=$]|^--/.test(word) || isReference(word)) return false;
    if (secrecy !== "password") return isRandom(word, 16) && wordiness(word) < 0 && /[0-9]/.test(word);
    const classes = [/[a-z]/, /[A-Z]/, /[0-9]/].every((each) => each.test(word));
    return word.length >= 8 && classes && wordiness(word) < 0;
  });
}

/** What a person takes for a password: no word, no sentence, not one of those that everybody's documentation has. */
function isPassword(value: string, isQuoted: boolean): boolean {
  if (isWellKnown(value) || !/[A-Za-z]/.test(value)) return false;
  if (/^[A-Za-z]+(?:[._-][A-Za-z]+)*$/.test(value)) return /[a-z][A-Z]/.test(value) && wordiness(value) < -4;
  const classes = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((each) => each.test(value)).length;
  return classes >= (isQuoted ? 2 : 3) && (classes >= 3 || wordiness(value) < 6);
}

const fernet = /^[A-Za-z0-9_-]{43}=$/;

function special(value: string): Pick<Match, "kind"> {
  if (!fernet.test(value)) return {};
  return {
    kind: {
      id: "fernet-key",
      what: "a Fernet key",
      revoke: "put what it encrypted under a new key, then drop it (keyplane rotate)",
    },
  };
}
