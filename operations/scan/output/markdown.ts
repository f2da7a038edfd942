import { code, plain, rows } from "../../../model/markdown.ts";
import type { ScanResult } from "../tally.ts";
import { order, place, table } from "./table.ts";

/** More rows than this nobody reads in a comment; the run's log has them all. */
const most = 50;

/** A scan as a section of a pull request's comment. */
export function markdown(result: ScanResult): string {
  const { findings } = result;
  const summary = table({ ...result, findings: [], skipped: [] }).replace(
    /^no finding/,
    said(findings.length),
  );
  const parts = [`**${findings.length === 0 ? "passed" : "violated"}**: ${plain(summary)}`];
  if (findings.length > 0) {
    parts.push(
      rows(
        ["where", "what", "fix"],
        findings
          .slice(0, most)
          .map((finding) => [
            code(place(finding)),
            `**${plain(finding.kind.id)}**: ${plain(finding.message)}`,
            plain(finding.kind.revoke),
          ]),
      ),
    );
    if (findings.length > most) parts.push(`… and ${findings.length - most} more: the run's log has them.`);
    if (findings.some(({ print }) => print !== undefined)) parts.push(order);
  }
  return `${parts.join("\n\n")}\n`;
}

function said(count: number): string {
  return count === 0 ? "no finding" : `${count} finding${count === 1 ? "" : "s"}`;
}
