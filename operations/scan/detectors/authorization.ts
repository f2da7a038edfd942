import { beginsWord, type Detector } from "../detector.ts";
import { isPlaceholder, isReference, isWellKnown } from "../placeholder.ts";
import { isRandom } from "../randomness.ts";

const bearer = /(?:bearer|token)[ \t]{1,4}([A-Za-z0-9+/=_.~|-]{16,2000})/iy;
const basic = /basic[ \t]{1,4}([A-Za-z0-9+/]{8,400}={0,2})/iy;
const user = /(?:-u|--user|--proxy-user)(?:=|[ \t]{1,4})["']?([^\s:"'$]{1,100}):([^\s"'$]{4,200})/y;

/** Headers that authenticate, in code, curl commands and logs of requests. */
export const authorization: readonly Detector[] = [
  {
    kind: { id: "bearer-token", what: "a bearer token", revoke: "revoke it at its issuer" },
    anchors: ["bearer ", "token "],
    ignoreCase: true,
    textOnly: true,
    find(text, at) {
      if (!beginsWord(text, at)) return undefined;
      const span = captured(bearer, text, at);
      if (span === undefined) return undefined;
      const value = text.slice(span.start, span.end);
      // "token" is a word of prose as well: only after the header's name.
      if (
        /t/i.test(text[at] as string) &&
        !/authorization["']?\s{0,2}[:=,]\s{0,2}["'`]?$/i.test(text.slice(Math.max(0, at - 40), at))
      )
        return undefined;
      return isRandom(value, 16) && !isPlaceholder(value) && !isReference(value) ? span : undefined;
    },
  },
  {
    kind: { id: "basic-credentials", what: "a user and password in a header", revoke: "change the password" },
    anchors: ["basic "],
    ignoreCase: true,
    textOnly: true,
    find(text, at) {
      if (!beginsWord(text, at)) return undefined;
      const span = captured(basic, text, at);
      if (span === undefined) return undefined;
      const [, password] = /^[\x20-\x7e]{1,100}:([\x20-\x7e]{4,200})$/.exec(
        Buffer.from(text.slice(span.start, span.end), "base64").toString("latin1"),
      ) ?? [undefined, ""];
      return password === undefined || password === "" || isWellKnown(password) || isPlaceholder(password)
        ? undefined
        : span;
    },
  },
  {
    kind: {
      id: "command-password",
      what: "a password in a command's arguments",
      revoke: "change it, and give it on standard input",
    },
    anchors: [" -u", "--user", "--proxy-user"],
    textOnly: true,
    find(text, at) {
      const begin = text[at] === " " ? at + 1 : at;
      const line = text.slice(Math.max(0, text.lastIndexOf("\n", at), at - 400), at);
      if (!/\b(?:curl|wget|http|https|xh)\b/.test(line)) return undefined;
      user.lastIndex = begin;
      const found = user.exec(text);
      const password = found?.[2];
      if (found === null || password === undefined) return undefined;
      if (isWellKnown(password) || isPlaceholder(password) || isReference(password)) return undefined;
      const end = begin + found[0].length;
      return { start: end - password.length, end };
    },
  },
];

function captured(expression: RegExp, text: string, at: number) {
  expression.lastIndex = at;
  const found = expression.exec(text);
  const value = found?.[1];
  if (found === null || value === undefined) return undefined;
  const end = at + found[0].length;
  return { start: end - value.length, end };
}
