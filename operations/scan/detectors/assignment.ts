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
  /[ \t]{0,4},?(?:\r?\n[ \t-]{0,40}|[ \t]{1,4})\\{0,3}["']?[vV]alue\\{0,3}["']?[ \t]{0,20}[:=][ \t]{0,20}/y;
/** An element's text. */
const element = />/y;
const prefix =
  /(?:[rbfuLRBFU@$]{1,2}(?=["'`])|Buffer\.from\(|SecretStr\(|new String\(|os\.getenv\([^,\n]{1,60},[ \t]?|!!str[ \t]|ConvertTo-SecureString[ \t](?:-String[ \t])?)?/y;
const quoted = /(\\{0,3})(["'`])([^"'`\r\n]{1,600}?)\1\2/y;
const unquoted = /[^\s"'`<>,;&(){}[\]\\|]{1,600}/y;

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
    const secrecy = secrecyOf(name);
    if (secrecy === "none") return undefined;
    const value = valueAfter(text, start, end, syntax);
    if (value === undefined) return undefined;
    const found = text.slice(value.start, value.end);
    return isSecret(found, secrecy, value.quoted) ? { ...value, ...special(found) } : undefined;
  },
};

interface Value extends Match {
  quoted: boolean;
}

function valueAfter(text: string, nameStart: number, nameEnd: number, syntax: Syntax): Value | undefined {
  const closed = endOf(close, text, nameEnd);
  let at = endOf(valueBeside, text, closed);
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
  // Neither machines nor forms make values with blanks or letters beyond ASCII: those are sentences.
  if (value.length < 8 || value.length > 512 || /[\s\x80-\xff]/.test(value)) return false;
  if (isReference(value) || isPlaceholder(value)) return false;
  if (isRandom(value, 16)) return true;
  if (secrecy !== "password")
    return value.length >= 12 && isRandom(value, 12) && /[0-9]/.test(value) && wordiness(value) < 0;
  return isPassword(value, isQuoted);
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
