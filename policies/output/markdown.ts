import { code, plain, rows } from "../../model/markdown.ts";
import { type Check, called, type Finding, withVerdict } from "../check.ts";
import { summary } from "./table.ts";

/** Begins the one comment of an environment in a pull request, so that it is found again and updated. */
export function marker(environment: string): string {
  return `<!-- keyplane check ${environment} -->`;
}

/** What a check found, as the comment of a pull request. */
export function markdown(check: Check): string {
  const violated = withVerdict(check, "violated");
  const pending = withVerdict(check, "pending");
  const parts = [
    marker(check.environment),
    `### Policies: ${violated.length > 0 ? "violated" : pending.length > 0 ? "nothing violated, some pending" : "passed"}`,
    summary(check),
  ];
  if (violated.length > 0) {
    parts.push(
      rows(
        ["", "where", "what is wrong", "fix"],
        violated.map((finding) => [
          finding.rule.severity,
          place(finding),
          `**${plain(finding.rule.name)}**: ${plain(`${finding.rule.sentence} ${called(finding.urn)}: ${finding.message}`)}`,
          plain(finding.rule.fix),
        ]),
      ),
    );
  }
  if (pending.length > 0) {
    const names = [...new Set(pending.map(({ rule }) => rule.name))].sort();
    parts.push(`Pending: known only after the update, and judged then: ${names.map(code).join(", ")}.`);
  }
  if (check.exceptions.length > 0) {
    parts.push(
      rows(
        ["exception", "rule", "at", "owner", "until", "reason"],
        check.exceptions.map(
          ({ exception: { name, rule, appliesTo, owner, expires, reason }, used, expired }) =>
            [
              ...[name, rule, appliesTo, owner],
              `${expires}${expired ? " (ended)" : used ? "" : " (not needed here)"}`,
              reason,
            ].map(plain),
        ),
      ),
    );
  }
  return `${parts.join("\n\n")}\n`;
}

function place({ position, entry }: Finding): string {
  return position === undefined ? plain(entry) : code(`${position.file}:${position.line}`);
}
