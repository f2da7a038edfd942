import { type Baseline, baselineFile } from "./baseline.ts";
import type { Scanned } from "./content.ts";
import type { Kind } from "./detector.ts";
import type { Finding } from "./finding.ts";
import type { Hashes } from "./known.ts";
import type { ScannerOptions } from "./scanner.ts";
import type { ScannedFile } from "./sources/batch.ts";
import { syntaxOf } from "./syntax.ts";

/** What a scan came to. */
export interface ScanResult {
  /** In order of path and place. */
  findings: Finding[];
  /** Files, contents of history, or streams. */
  scanned: number;
  bytes: number;
  /** Values that a comment on their line, or detect-secrets' baseline, allowed. */
  allowed: number;
  /** Values that our own baseline knows. */
  known: number;
  /** What was left alone, and why. */
  skipped: string[];
}

const unusedEntry: Kind = {
  id: "baseline-entry-unused",
  what: "an entry that nothing needs",
  revoke: "write the baseline anew with keyplane scan --write-baseline",
};

/** Gathers what single texts come to. */
export class Tally {
  readonly findings: Finding[] = [];
  readonly skipped: string[] = [];
  readonly #baseline: Baseline;
  /** Of history: where each value came in. */
  readonly #first = new Map<string, { finding: Finding; later: number; message: string }>();
  #scanned = 0;
  #bytes = 0;
  #allowed = 0;
  #known = 0;

  constructor(baseline: Baseline) {
    this.#baseline = baseline;
  }

  optionsOf(path: string): ScannerOptions {
    const isKnown = this.#baseline.isKnown(path);
    return { syntax: syntaxOf(path), ...(isKnown !== undefined && { isKnown }) };
  }

  /** Of detect-secrets' baseline, for who scans elsewhere. */
  get hashes(): Hashes {
    return this.#baseline.hashes;
  }

  /** What files came to, in order, by the index of their name. */
  addFiles(names: readonly string[], files: readonly ScannedFile[]): void {
    for (const { index, ...scanned } of files) this.add(names[index] as string, scanned);
  }

  add(path: string, { detections, allowed, bytes }: Scanned & { bytes: number }, commit?: string): void {
    this.#scanned++;
    this.#bytes += bytes;
    this.#allowed += allowed;
    for (const { kind, line, column, length, print } of detections) {
      const message = `${kind.what}, ${length} characters`;
      const finding: Finding = {
        kind,
        path,
        line,
        column,
        message,
        print,
        ...(commit !== undefined && { commit }),
      };
      if (this.#baseline.has(finding)) this.#known++;
      else if (commit === undefined || !this.#isLater(finding, length)) this.findings.push(finding);
    }
  }

  /** Whether an older commit has brought the same value to the same file: counted there. */
  #isLater(finding: Finding, length: number): boolean {
    const key = [finding.path, finding.kind.id, finding.print, length].join("\0");
    const first = this.#first.get(key);
    if (first === undefined) this.#first.set(key, { finding, later: 0, message: finding.message });
    else {
      first.later++;
      first.finding.message = `${first.message}, also in ${first.later} later version${first.later === 1 ? "" : "s"}`;
    }
    return first !== undefined;
  }

  /** What the baseline holds for nothing would hide the next value that happens to fit. */
  addUnused(): void {
    for (const { path, kind } of this.#baseline.unused(undefined)) {
      this.findings.push({
        kind: unusedEntry,
        path: baselineFile,
        line: 1,
        column: 1,
        message: `${kind} in ${path} is not there any more`,
      });
    }
  }

  result(): ScanResult {
    const findings = this.findings.sort(
      (a, b) =>
        compare(a.path, b.path) ||
        compare(a.commit ?? "", b.commit ?? "") ||
        a.line - b.line ||
        a.column - b.column,
    );
    return {
      findings,
      scanned: this.#scanned,
      bytes: this.#bytes,
      allowed: this.#allowed,
      known: this.#known,
      skipped: this.skipped,
    };
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
