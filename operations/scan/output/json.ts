import type { ScanResult } from "../tally.ts";

/** A scan for programs. It names kinds, places and lengths, and nothing that a value could be guessed by. */
export function json({ findings, ...counts }: ScanResult) {
  return {
    findings: findings.map(({ kind, print: _, ...finding }) => ({
      kind: kind.id,
      ...finding,
      fix: kind.revoke,
    })),
    ...counts,
  };
}
