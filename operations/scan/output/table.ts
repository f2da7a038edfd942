import type { Finding } from "../finding.ts";
import type { ScanResult } from "../tally.ts";

/** What is said below every value that was found (R70). */
export const order =
  "Rotate first: whoever has a copy has the value. Purging it from Git's history is optional, comes last, and ends nothing by itself.";

/** A scan for people: a line per finding with its fix, the order of what to do, a last line that counts. */
export function table({ findings, scanned, bytes, allowed, known, skipped }: ScanResult): string {
  const lines = findings.flatMap((finding) => [
    `✗ ${place(finding)}: ${finding.kind.id}: ${finding.message}`,
    `    fix: ${finding.kind.revoke}.`,
  ]);
  if (findings.some(({ print }) => print !== undefined)) lines.push(order);
  lines.push(...skipped.map((text) => `- not scanned: ${text}`));
  const apart = [
    ...(allowed > 0 ? [`${allowed} allowed by a comment or detect-secrets' baseline`] : []),
    ...(known > 0 ? [`${known} in the baseline`] : []),
  ];
  lines.push(
    `${counted(findings.length, "finding")} in ${scanned} scanned, ${megabytes(bytes)}${apart.length > 0 ? ` (${apart.join(", ")})` : ""}.`,
  );
  return lines.join("\n");
}

/** `file:line:column`, behind the commit where there is one. No control character of a name reaches the terminal. */
export function place({ path, line, column, commit }: Finding): string {
  const text = `${commit === undefined ? "" : `${commit.slice(0, 12)}:`}${path}:${line}:${column}`;
  return text.replace(/\p{Cc}/gu, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function counted(count: number, what: string): string {
  return count === 0 ? `no ${what}` : `${count} ${what}${count === 1 ? "" : "s"}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
