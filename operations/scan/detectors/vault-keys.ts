import { type Detector, endOf } from "../detector.ts";
import { isRegular } from "../randomness.ts";

/** From the name to the value, as `vault operator init` prints it for people, and for machines with `-format=json`. */
const named =
  /(?:(?:un)?seal|recovery)[ _]?keys?(?:_b64|_hex|_base64)?(?: \d{1,2})?"?\s{0,4}[:=]\s{0,4}\[?\s{0,20}"?/iy;

/** A share of the key is a byte longer than the key; a single one is the key. In base64 or hex. */
const share = /(?:[0-9a-f]{64}(?:[0-9a-f]{2})?|[A-Za-z0-9+/]{43}[A-Za-z0-9+/=])(?![A-Za-z0-9+/=])/y;

export const vaultKeys: Detector = {
  kind: {
    id: "vault-unseal-key",
    what: "a key that unseals Vault, or makes root tokens",
    revoke: "make new ones with vault operator rekey, for recovery keys with -target=recovery",
  },
  anchors: ["unseal", "recovery"],
  ignoreCase: true,
  find(text, at) {
    const start = endOf(named, text, at);
    const end = start < 0 ? -1 : endOf(share, text, start);
    return end < 0 || isRegular(text.slice(start, end)) ? undefined : { start, end };
  },
};
