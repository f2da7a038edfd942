import { createHash } from "node:crypto";

/** Limits of names elsewhere, in characters. */
export const limits = { iam: 64, postgres: 63, kubernetes: 63 } as const;

const hashLength = 10;

/**
 * A name that fits: unchanged when it is short enough, else cut and ended by a hash of the whole, so that
 * the same name always gives the same cut and two long names do not meet. `join` stands before the hash.
 */
export function fit(name: string, limit: number, join = "-"): string {
  if (name.length <= limit) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, hashLength);
  const head = name.slice(0, limit - hashLength - join.length).replace(/[-_.]+$/, "");
  return `${head}${join}${hash}`;
}
