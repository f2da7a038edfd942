import { beginsWord, type Detector, endOf } from "../detector.ts";
import { entropy } from "../randomness.ts";

/** The id of an account, which is a number, in base64; a time; a signature. */
const token = /[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}/y;

/** What three digits can begin with in base64: every token's first letters. */
const beginnings = ["MD", "MT", "Mj", "Mz", "ND", "NT", "Nj", "Nz", "OD", "OT"].flatMap((two) =>
  [..."AEIMQUYcgk"].map((third) => two + third),
);

export const discordToken: Detector = {
  kind: { id: "discord-token", what: "a Discord bot token", revoke: "reset it in the developer portal, Bot" },
  anchors: beginnings,
  find(text, at) {
    if (!beginsWord(text, at)) return undefined;
    const end = endOf(token, text, at);
    if (end < 0 || /[A-Za-z0-9_.-]/.test(text[end] ?? "")) return undefined;
    return entropy(text.slice(at, end)) < 4 ? undefined : { start: at, end };
  },
};
