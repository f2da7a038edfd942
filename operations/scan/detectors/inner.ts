import { beginsWord, type Detector, endOf, type Kind } from "../detector.ts";
import { isPlaceholder } from "../placeholder.ts";
import { entropy, isRegular } from "../randomness.ts";

/** A token whose fixed part stands in its middle, or at its end. */
interface Inner {
  kind: Kind;
  anchors: readonly string[];
  /** What stands before the anchor: at most `most` characters of a class. */
  before: { of: RegExp; most: number };
  /** The whole token, from its beginning. */
  whole: RegExp;
  /** A word that may stand right before the token. */
  after?: string;
}

const inners: readonly Inner[] = [
  {
    kind: {
      id: "terraform-cloud-token",
      what: "a Terraform Cloud token",
      revoke: "delete it under User settings, Tokens",
    },
    anchors: [".atlasv1."],
    before: { of: /[A-Za-z0-9]/, most: 14 },
    whole: /[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}/,
  },
  {
    kind: {
      id: "telegram-token",
      what: "a Telegram bot token",
      revoke: "revoke it at @BotFather with /revoke",
    },
    anchors: [":AA"],
    before: { of: /[0-9]/, most: 12 },
    whole: /[0-9]{8,12}:AA[\w-]{32,34}/,
    after: "bot",
  },
  {
    kind: {
      id: "azure-client-secret",
      what: "a client secret of Microsoft Entra",
      revoke: "delete it under App registrations",
    },
    anchors: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((digit) => `${digit}Q~`),
    before: { of: /[\w~.-]/, most: 3 },
    whole: /[\w~.-]{3}\dQ~[\w~.-]{31,34}/,
  },
  {
    kind: { id: "mailchimp-key", what: "a Mailchimp key", revoke: "disable it under Extras, API keys" },
    anchors: ["-us"],
    before: { of: /[0-9a-f]/, most: 32 },
    whole: /[0-9a-f]{32}-us[0-9]{1,2}/,
  },
  {
    kind: { id: "maxmind-key", what: "a MaxMind licence key", revoke: "delete it under Manage license keys" },
    anchors: ["_mmk"],
    before: { of: /[A-Za-z0-9_]/, most: 36 },
    whole: /[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk/,
  },
];

/** The detectors of tokens that begin with what is random. */
export const innerTokens: readonly Detector[] = inners.map(({ kind, anchors, before, whole, after }) => {
  const expression = new RegExp(whole.source, "y");
  return {
    kind,
    anchors,
    find(text, at) {
      let start = at;
      while (start > 0 && at - start < before.most && before.of.test(text[start - 1] as string)) start--;
      if (
        !beginsWord(text, start) &&
        !(
          after !== undefined &&
          text.startsWith(after, start - after.length) &&
          beginsWord(text, start - after.length)
        )
      )
        return undefined;
      const end = endOf(expression, text, start);
      if (end < 0 || /[A-Za-z0-9_]/.test(text[end] ?? "")) return undefined;
      const token = text.slice(start, end);
      return entropy(token) < 3 || isRegular(token) || isPlaceholder(token) ? undefined : { start, end };
    },
  };
});
