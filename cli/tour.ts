import { styleText } from "node:util";
import type { TourLine } from "../local/tour/index.ts";
import { type ExitCode, exit } from "./exit.ts";

/** The tour for people: each promise, what was seen of it, and its line in Vault's audit files. */
export function tourText(lines: TourLine[]): string[] {
  return lines.flatMap(({ promise, outcome, seen, audit }) => {
    if (outcome === "not shown") return [`- ${promise}`, `    not shown: ${seen}`];
    const mark = outcome === "holds" ? styled("green", "✓") : styled("red", "✗");
    return [
      `${mark} ${promise}`,
      `    ${seen}`,
      audit === undefined
        ? "    audit: not in both files. A file that was unusable when Vault started needs: npm run down, npm run up"
        : `    audit: ${audit.time}  ${audit.who}  ${audit.action}  ${audit.path}  ${audit.outcome}`,
    ];
  });
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
