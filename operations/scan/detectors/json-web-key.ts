import type { Detector } from "../detector.ts";
import { isRandom } from "../randomness.ts";

/** The private member of RSA, EC and OKP keys, or the symmetric one, in the object that says `kty`. */
const secret = /\\?"[dk]\\?"\s{0,8}:\s{0,8}\\?"([\w-]{20,800})\\?"/;

export const jsonWebKey: Detector = {
  kind: {
    id: "json-web-key",
    what: "a private JSON Web Key",
    revoke: "publish another key and take this one's id out",
  },
  anchors: ['"kty'],
  find(text, at) {
    const open = Math.max(text.lastIndexOf("{", at), at - 500, 0);
    const close = text.indexOf("}", at);
    const object = text.slice(open, close < 0 ? at + 2500 : Math.min(close, at + 2500));
    const found = secret.exec(object);
    const value = found?.[1];
    if (found === null || value === undefined || !isRandom(value)) return undefined;
    const start = open + found.index + found[0].indexOf(value);
    return { start, end: start + value.length };
  },
};
