import { type Detector, endOf } from "../detector.ts";
import { isRegular, wordiness } from "../randomness.ts";

const header = /-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/y;
/** Base64 with what stands between its lines: breaks, escaped ones, quotes and joins of string literals, indents. */
const body = /(?:[A-Za-z0-9+/=]|\\[nrt]|[\s"'`,+|>.:-]){48,400}/y;

export const privateKey: Detector = {
  kind: {
    id: "private-key",
    what: "a private key",
    revoke: "make a new key pair and take the old one out wherever it is trusted",
  },
  anchors: ["-----BEGIN"],
  find(text, at) {
    const begin = endOf(header, text, at);
    if (begin < 0) return undefined;
    const end = endOf(body, text, begin);
    if (end < 0) return undefined;
    const key = text.slice(begin, end).replace(/\\[nrt]|[^A-Za-z0-9+/]/g, "");
    // Ended at once, filled with dots, or followed by something else: documentation, and code that reads keys.
    if (key.length < 40 || isRegular(key) || wordiness(key) >= 6) return undefined;
    return { start: at, end };
  },
};
