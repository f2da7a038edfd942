/** Of detect-secrets: by path, the SHA-1 of values. */
export type Hashes = ReadonlyMap<string, ReadonlySet<string>>;

/** A value that was looked at. */
export interface Entry {
  path: string;
  kind: string;
  print: string;
}
