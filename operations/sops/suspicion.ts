import { bitsOf } from "../values/check.ts";

const prefixes: [pattern: RegExp, what: string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, "a private key"],
  [/AGE-SECRET-KEY-1/, "an age private key"],
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/, "an AWS access key"],
  [/\bgh[pousr]_[A-Za-z0-9]{20,}/, "a GitHub token"],
  [/\bxox[abposr]-[A-Za-z0-9-]{10,}/, "a Slack token"],
  [/hooks\.slack\.com\/services\/\S+/, "a Slack webhook"],
  [/\bsk-[A-Za-z0-9_-]{16,}/, "an API key"],
  [/\bhv[sbr]\.[A-Za-z0-9_-]{20,}/, "a Vault token"],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\./, "a signed token"],
  [/^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@]+@/i, "a URL with a password"],
];

const names =
  /(^|_)(PASSWORD|PASSWD|PASS|SECRET|TOKEN|API_?KEY|PRIVATE_KEY|CREDENTIALS?|WEBHOOK_URL|DSN)(_FILE)?$/;

/** Whether a variable's name says that it holds a secret. */
export function namesSecret(variable: string): boolean {
  return names.test(variable);
}

/** What a text looks like if it looks like a secret, as words for a message; undefined for plain settings. */
export function looksLikeSecret(text: string): string | undefined {
  const known = prefixes.find(([pattern]) => pattern.test(text));
  if (known !== undefined) return known[1];
  const random = text.split(/[^A-Za-z0-9+/=_-]+/).some(isRandom);
  return random ? "a random value" : undefined;
}

/** Long, mixed and without repetition: 16 bytes in hex, or 20 characters of three classes at 3.5 bits each. */
function isRandom(word: string): boolean {
  if (/^[0-9a-f]{32,}$/i.test(word)) return entropy(word.toLowerCase()) >= 3;
  if (word.length < 20) return false;
  const classes = [/[a-z]/, /[A-Z]/, /[0-9]/].filter((one) => one.test(word)).length;
  return classes === 3 && entropy(word) >= 3.5;
}

/** Shannon entropy in bits per character. */
function entropy(text: string): number {
  return bitsOf(text) / text.length;
}
