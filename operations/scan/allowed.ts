/**
 * Whether a line allows the value on it: detect-secrets' comment, so that one comment serves both.
 * https://github.com/Yelp/detect-secrets#inline-allowlisting
 */
export function allowsSame(line: string): boolean {
  return /pragma: ?(?:allowlist|whitelist)[ -]secret/.test(line);
}

/** Whether a line allows the values on the next one. */
export function allowsNext(line: string): boolean {
  return /pragma: ?allowlist[ -]nextline[ -]secret/.test(line);
}
