import type { Detector } from "../detector.ts";
import { isPlaceholder, isReference, isWellKnown } from "../placeholder.ts";
import { wordiness } from "../randomness.ts";

const netrc =
  /(?:machine[ \t]{1,8}\S{1,100}|default)\s{1,40}login[ \t]{1,8}\S{1,100}\s{1,40}password[ \t]{1,8}(\S{4,200})/y;
const pgpass = /:(?:\d{2,5}|\*):[^:\s]{1,63}:[^:\s]{1,63}:([^:\s"'`]{6,100})(?=\r?\n|$)/y;
const docker = /"auth"[ \t]{0,8}:[ \t]{0,8}"([A-Za-z0-9+/]{12,400}={0,2})"/y;
const identified = /identified[ \t]{1,4}by[ \t]{1,4}(?:password[ \t]{1,4})?'([^'\r\n]{6,200})'/iy;

/** Logins in the files and statements of tools that give their values no secret's name, or no sign of assignment. */
export const loginFiles: readonly Detector[] = [
  of("netrc-password", "a password in a netrc file", ["machine ", "default "], netrc, isGiven),
  of(
    "pgpass-password",
    "a password in a pgpass file",
    [":5432:", ":5433:", ":6432:", ":*:"],
    pgpass,
    isGiven,
  ),
  of("docker-login", "a registry's login", ['"auth"'], docker, (value) =>
    /^[\x21-\x7e]{1,100}:[\x21-\x7e]{4,300}$/.test(Buffer.from(value, "base64").toString("latin1")),
  ),
  {
    ...of("sql-password", "a password in an SQL statement", ["identified by"], identified, isGiven),
    ignoreCase: true,
  },
];

function of(
  id: string,
  what: string,
  anchors: string[],
  expression: RegExp,
  isValue: (value: string) => boolean,
): Detector {
  return {
    kind: { id, what, revoke: "change the password where it is checked" },
    anchors,
    textOnly: true,
    find(text, at) {
      expression.lastIndex = at;
      const found = expression.exec(text);
      const value = found?.[1];
      if (found === null || value === undefined || !isValue(value)) return undefined;
      const start = at + found[0].lastIndexOf(value);
      return { start, end: start + value.length };
    },
  };
}

function isGiven(value: string): boolean {
  return !isPlaceholder(value) && !isReference(value) && !isWellKnown(value) && wordiness(value) < 6;
}
