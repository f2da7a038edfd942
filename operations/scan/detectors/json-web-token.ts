import { beginsWord, type Detector, endOf } from "../detector.ts";
import { entropy } from "../randomness.ts";

const token = /eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{20,1400}/y;
/** The payload of jwt.io's example, which stands in half of all documentation. */
const example = "eyJzdWIiOiIxMjM0NTY3ODkwI";

export const jsonWebToken: Detector = {
  kind: {
    id: "json-web-token",
    what: "a signed JSON Web Token",
    revoke: "end its session, or change the key that signed it",
  },
  anchors: ["eyJ"],
  find(text, at) {
    if (!beginsWord(text, at)) return undefined;
    const end = endOf(token, text, at);
    if (end < 0) return undefined;
    const [header = "", payload = "", signature = ""] = text.slice(at, end).split(".");
    if (payload.startsWith(example) || entropy(signature) < 3.5) return undefined;
    return isHeader(header) ? { start: at, end } : undefined;
  },
};

function isHeader(text: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    return typeof header === "object" && header !== null && "alg" in header && header.alg !== "none";
  } catch {
    return false;
  }
}
