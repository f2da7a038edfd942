import { createHash } from "node:crypto";
import type { Finding } from "../finding.ts";
import type { ScanResult } from "../tally.ts";

/**
 * A scan as SARIF 2.1.0, for code scanning. Fingerprints are made of kind, path, commit and how many of a kind stand
 * before it: the place, and nothing of the value.
 * https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 */
export function sarif({ findings }: ScanResult) {
  const kinds = [...new Map(findings.map(({ kind }) => [kind.id, kind])).values()].sort((a, b) =>
    a.id < b.id ? -1 : 1,
  );
  const index = new Map(kinds.map(({ id }, at) => [id, at]));
  const before = new Map<string, number>();
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "keyplane",
            rules: kinds.map(({ id, what, revoke }) => ({
              id,
              shortDescription: { text: `${what[0]?.toUpperCase()}${what.slice(1)}` },
              help: { text: `First ${revoke}. Purging Git's history is optional and comes last.` },
              defaultConfiguration: { level: "error" },
              properties: { tags: ["security"], "security-severity": "9.0" },
            })),
          },
        },
        automationDetails: { id: "keyplane-scan/" },
        columnKind: "utf16CodeUnits",
        results: findings.map((finding) => result(finding, index.get(finding.kind.id) ?? -1, before)),
      },
    ],
  };
}

function result(
  { kind, path, line, column, message, commit }: Finding,
  ruleIndex: number,
  before: Map<string, number>,
) {
  const place = `${kind.id}\0${path}\0${commit ?? ""}`;
  const ordinal = before.get(place) ?? 0;
  before.set(place, ordinal + 1);
  return {
    ruleId: kind.id,
    ruleIndex,
    kind: "fail",
    level: "error",
    message: {
      text: `${message}${commit === undefined ? "" : `, in commit ${commit}`}. First ${kind.revoke}.`,
    },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: encodeURI(path) },
          region: { startLine: line, startColumn: column },
        },
      },
    ],
    partialFingerprints: {
      "keyplaneScan/v1": createHash("sha256").update(`${place}\0${ordinal}`).digest("hex").slice(0, 32),
    },
  };
}
