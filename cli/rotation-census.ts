import type { CountedVersion, KeyCensus } from "../operations/rotation/key-census.ts";
import { told } from "../operations/rotation/re-encryption/census.ts";
import { nameOf } from "../operations/rotation/re-encryption/column.ts";
import { type ExitCode, exit, exitCode } from "./exit.ts";

/** The lines below an encryption key: each version, what is stored under it, and why it may not go. */
export function censusText({ versions, columns, unknown, findings }: KeyCensus): string[] {
  return [
    ...versions.map((one) => `  ${versionText(one)}`),
    ...columns.map((column) => `  ${told(column)}`),
    ...(unknown === undefined ? [] : [`  rows are not counted: ${unknown.why}`]),
    ...findings.map((finding) => `  finding: ${finding}`),
  ];
}

function versionText({ version, made, use, rows, keptUntil, forbids }: CountedVersion): string {
  const since = made === undefined ? "" : `, of ${made.toISOString().slice(0, 10)}`;
  const count =
    rows === undefined ? "rows not counted" : `${rows.toLocaleString("en")} ${rows === 1 ? "row" : "rows"}`;
  const isOld = use !== "encrypts" && use !== "gone";
  const until = isOld && keptUntil !== undefined ? [`retention ends ${keptUntil.toISOString()}`] : [];
  const may = !isOld
    ? []
    : [forbids.length === 0 ? "may be retired" : `may not be retired: ${forbids.join("; ")}`];
  return [`version ${version}${since}: ${use}`, count, ...until, ...may].join(", ");
}

/** The same for machines. */
export function censusJson({ versions, columns, unknown, findings }: KeyCensus): object {
  return {
    versions: versions.map(({ version, made, use, rows, keptUntil, forbids }) => ({
      version,
      made: made ?? null,
      use,
      rows: rows ?? null,
      retentionEnds: keptUntil ?? null,
      ...(use !== "gone" && { retirementForbiddenBy: forbids }),
    })),
    columns: columns.map(({ column, rows }) => ({ column: nameOf(column), rows })),
    unknown: unknown?.why ?? null,
    findings,
  };
}

/** A finding where ciphertext is not under the key that it should be under; else what kept it from being counted. */
export function censusCode({ findings, unknown }: KeyCensus): ExitCode {
  if (findings.length > 0) return exit.finding;
  return unknown === undefined ? exit.clean : exitCode(unknown.error);
}
