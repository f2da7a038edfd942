import { createHash } from "node:crypto";
import type { Position } from "../../model/catalogue.ts";
import { type Check, called, type Finding, granted, idle } from "../check.ts";
import { exceptionUsed } from "../exceptions.ts";
import type { Severity } from "../rule.ts";

const levels = { critical: "error", high: "error", medium: "warning", low: "note" } as const;
/** What GitHub sorts security findings by. */
const scores: Record<Severity, string> = { critical: "9.5", high: "8.0", medium: "5.5", low: "3.0" };

/**
 * What a check found as SARIF 2.1.0. A pending judgement is a result of kind `open`; an exception is a suppression
 * with its justification, or of kind `informational` where nothing here needs it. https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 */
export function sarif(check: Check) {
  const { rules, findings, environment } = check;
  const index = new Map(rules.map((rule, at) => [rule.name, at]));
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "keyplane",
            rules: rules.map(({ name, sentence, severity, fix, controls }) => ({
              id: name,
              shortDescription: { text: sentence },
              help: { text: fix },
              defaultConfiguration: { level: levels[severity] },
              properties: { tags: ["security", ...controls], "security-severity": scores[severity] },
            })),
          },
        },
        automationDetails: { id: `keyplane-check/${environment}/` },
        columnKind: "utf16CodeUnits",
        results: [
          ...findings.map((finding) => result(finding, environment, index.get(finding.rule.name) ?? -1)),
          ...idle(check).map(({ exception, position }) => ({
            ruleId: exceptionUsed.name,
            ruleIndex: index.get(exceptionUsed.name) ?? -1,
            kind: "informational",
            level: "none",
            message: { text: `Not needed in ${environment}: ${granted(exception)}` },
            locations: [place(position)],
            partialFingerprints: { "keyplane/v1": digest(environment, "exception", exception.name) },
          })),
        ],
      },
    ],
  };
}

function result(
  { rule, verdict, message, urn, position, exception }: Finding,
  environment: string,
  ruleIndex: number,
) {
  const text = `${called(urn)}: ${message}. ${rule.fix}`;
  return {
    ruleId: rule.name,
    ruleIndex,
    ...(verdict === "pending"
      ? { kind: "open", level: "none" }
      : { kind: "fail", level: levels[rule.severity] }),
    message: { text },
    locations: [
      {
        ...place(position),
        ...(urn !== undefined && { logicalLocations: [{ fullyQualifiedName: urn, kind: "resource" }] }),
      },
    ],
    partialFingerprints: { "keyplane/v1": digest(environment, rule.name, urn ?? "", message) },
    ...(exception !== undefined && {
      suppressions: [
        {
          kind: "external",
          status: "accepted",
          justification: `${exception.reason} (${exception.owner}, until ${exception.expires})`,
        },
      ],
    }),
  };
}

function place(position: Position | undefined) {
  return {
    ...(position !== undefined && {
      physicalLocation: {
        artifactLocation: { uri: encodeURI(position.file) },
        region: { startLine: position.line, startColumn: position.column },
      },
    }),
  };
}

function digest(...parts: string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 32);
}
