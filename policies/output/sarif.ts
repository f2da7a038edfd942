import { createHash } from "node:crypto";
import { type Check, called, type Finding } from "../check.ts";
import type { Severity } from "../rule.ts";

const levels = { critical: "error", high: "error", medium: "warning", low: "note" } as const;
/** What GitHub sorts security findings by. */
const scores: Record<Severity, string> = { critical: "9.5", high: "8.0", medium: "5.5", low: "3.0" };

/**
 * What a check found as SARIF 2.1.0. A pending judgement is a result of kind `open`; an exception is a suppression
 * with its justification. https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 */
export function sarif({ rules, findings, environment }: Check) {
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
        results: findings.map((finding) => result(finding, environment, index.get(finding.rule.name) ?? -1)),
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
  const identity = createHash("sha256").update(`${environment}\0${rule.name}\0${urn ?? ""}\0${message}`);
  return {
    ruleId: rule.name,
    ruleIndex,
    ...(verdict === "pending"
      ? { kind: "open", level: "none" }
      : { kind: "fail", level: levels[rule.severity] }),
    message: { text },
    locations: [
      {
        ...(position !== undefined && {
          physicalLocation: {
            artifactLocation: { uri: encodeURI(position.file) },
            region: { startLine: position.line, startColumn: position.column },
          },
        }),
        ...(urn !== undefined && { logicalLocations: [{ fullyQualifiedName: urn, kind: "resource" }] }),
      },
    ],
    partialFingerprints: { "keyplane/v1": identity.digest("hex").slice(0, 32) },
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
