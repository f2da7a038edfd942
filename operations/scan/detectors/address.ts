import type { Detector } from "../detector.ts";
import { isPlaceholder, isReference, isWellKnown } from "../placeholder.ts";
import { wordiness } from "../randomness.ts";

/** What follows `://`: a user, a password, and a host's first character. */
const credentials = /:\/\/([^\s:@/"'`<>()[\]{},;]{0,128}):([^\s@"'`<>]{3,256})@(?=[A-Za-z0-9[_$%{])/y;

/** An address that carries a password: of a database, a broker, a proxy, a registry, a Git remote. */
export const addressPassword: Detector = {
  kind: {
    id: "address-password",
    what: "a password in an address",
    revoke: "change it at the server, and give the address without it",
  },
  anchors: ["://"],
  find(text, at) {
    credentials.lastIndex = at;
    const found = credentials.exec(text);
    if (found === null || !/[A-Za-z0-9+]/.test(text[at - 1] ?? "")) return undefined;
    const [, user = "", password = ""] = found;
    const start = at + found[0].length - password.length - 1;
    const end = start + password.length;
    return isPassword(decoded(password), user) ? { start, end } : undefined;
  },
};

function isPassword(password: string, user: string): boolean {
  if (password === user || password.length < 4 || /^\d{1,5}(?:\/|$)/.test(password)) return false;
  if (isWellKnown(password) || isPlaceholder(password) || isReference(password)) return false;
  // A word in documentation; what people choose has a digit, a sign, or no sense.
  return /[^A-Za-z_-]/.test(password) || wordiness(password) < 0;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
