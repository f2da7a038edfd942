import { styleText } from "node:util";
import type { TourLine } from "../local/tour/index.ts";
import { type ExitCode, exit } from "./exit.ts";

/** The tour for people: each promise, what was seen of it, and its line in Vault's audit files or in CloudTrail. */
export function tourText(lines: TourLine[]): string[] {
  return lines.flatMap((line) => {
    const { promise, outcome, seen } = line;
    if (outcome === "not shown") return [`- ${promise}`, `    not shown: ${seen}`];
    const mark = outcome === "holds" ? styled("green", "✓") : styled("red", "✗");
    return [`${mark} ${promise}`, `    ${seen}`, ...record(line).map((text) => `    ${text}`)];
  });
}

/** What was written down of it; nothing of what was not done. */
function record({ kept, audit, trail }: TourLine): string[] {
  if (audit !== undefined) {
    return [`audit: ${audit.time}  ${audit.who}  ${audit.action}  ${audit.path}  ${audit.outcome}`];
  }
  if (trail !== undefined) return [`trail: ${trail.time}  ${trail.who}  ${trail.action}  ${trail.of}`];
  if (kept === undefined) return [];
  return [
    kept === "trail"
      ? "trail: CloudTrail has no event of it. Is recording on? npm run down, npm run up"
      : "audit: not in both files. A file that was unusable when Vault started needs: npm run down, npm run up",
  ];
}

/** The tour in one line, e.g. "5 of 6 promises hold, 1 not shown". */
export function tourCount(lines: TourLine[]): string {
  const count = (outcome: TourLine["outcome"]) => lines.filter((line) => line.outcome === outcome).length;
  const unseen = count("not shown");
  return `${count("holds")} of ${lines.length} promises hold${unseen > 0 ? `, ${unseen} not shown` : ""}`;
}

/** A finding where a promise fails, and where the tour looked at none. */
export function tourCode(lines: TourLine[]): ExitCode {
  return lines.length === 0 || lines.some(({ outcome }) => outcome === "fails") ? exit.finding : exit.clean;
}

function styled(colour: "green" | "red", text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}
