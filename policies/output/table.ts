import { type Check, called, type Finding, withVerdict } from "../check.ts";

/** What a check found, for people: violations with their fix, what is pending, every exception, a last line. */
export function table(check: Check): string {
  const violated = withVerdict(check, "violated");
  const pending = withVerdict(check, "pending");
  const lines = violated.flatMap((finding) => [
    `✗ ${finding.rule.severity.padEnd(8)} ${place(finding)} ${finding.rule.name}`,
    `    ${finding.rule.sentence}`,
    `    ${called(finding.urn)}: ${finding.message}`,
    `    fix: ${finding.rule.fix}`,
  ]);
  for (const [rule, findings] of Map.groupBy(pending, (finding) => finding.rule)) {
    lines.push(
      `? ${"pending".padEnd(8)} ${rule.name}: ${findings.length} of it known only after the update (${findings[0]?.message ?? ""})`,
    );
  }
  for (const { exception, used, expired } of check.exceptions) {
    const { name, rule, appliesTo, owner, reason, expires } = exception;
    const state = expired ? "ended" : used ? "in use" : "not needed here";
    lines.push(
      `! exception "${name}": ${rule} at ${appliesTo}, ${owner}, until ${expires} (${state}): ${reason}`,
    );
  }
  lines.push(summary(check));
  return lines.join("\n");
}

/** One line: what was looked at and what came of it. */
export function summary(check: Check): string {
  const count = (verdict: Finding["verdict"]) => withVerdict(check, verdict).length;
  return `${check.environment}: ${check.resources} resources, ${check.rules.length} rules: ${count("violated")} violated, ${count("pending")} pending, ${count("excepted")} excepted.`;
}

function place({ position, entry }: Finding): string {
  return position === undefined ? `${entry}:` : `${position.file}:${position.line}:${position.column}:`;
}
