import { distance } from "fastest-levenshtein";

const longest = 40;

/**
 * A piece of the catalogue as a message may show it: escaped and short, and not at all when it could be a
 * secret that someone pasted in the wrong place.
 */
export function quote(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  const text = typeof value === "string" ? value : String(value);
  if (looksSecret(text)) return "a text that is not shown";
  const escaped = JSON.stringify(text.length > longest ? `${text.slice(0, longest)}…` : text).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return typeof value === "string" ? escaped : escaped.slice(1, -1);
}

/** Whether a text could be a secret: long runs of mixed characters, known prefixes, credentials in an address. */
export function looksSecret(text: string): boolean {
  if (/:\/\/[^/\s]*:[^/\s]*@/.test(text)) return true;
  if (/^(AGE-SECRET-KEY-|hvs\.|s\.|ghp_|gho_|github_pat_|sk-|xox[a-z]-|AKIA|-----BEGIN)/.test(text))
    return true;
  return (text.match(/[A-Za-z0-9+/=_-]{16,}/g) ?? []).some(isDense);
}

function isDense(run: string): boolean {
  const classes = [/[a-z]/, /[A-Z]/, /[0-9]/].filter((pattern) => pattern.test(run)).length;
  const words = run.split(/[-_/]/);
  // "titan-execution-rs" is a name; "8f3a9c…" and "Zk3…" are not.
  return classes >= 2 && words.some((word) => word.length >= 12 && /[0-9]/.test(word) && /[a-z]/i.test(word));
}

/** `; did you mean "x"?` for the nearest of the candidates, or nothing when none is near. */
export function suggestion(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of [...candidates].sort()) {
    const between = distance(word.toLowerCase(), candidate.toLowerCase());
    if (between < least) [best, least] = [candidate, between];
  }
  return best;
}
