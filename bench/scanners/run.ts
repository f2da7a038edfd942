import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import type { Report } from "../../operations/progress.ts";
import type { Reported } from "../../test/operations/scan/corpus/score.ts";
import { findDetectSecrets, findGitleaks, findSecretlint } from "./install.ts";

/** A scanner as people run it: its command line on a folder, from nothing to its report. */
export interface Scanner {
  name: string;
  scan(folder: string): Promise<Reported[]>;
}

/** What a command prints, whatever it ends with: every one of them says "found" by its exit code. */
async function printed(file: string, args: string[], cwd: string): Promise<string> {
  try {
    return (await promisify(execFile)(file, args, { cwd, maxBuffer: 1 << 29 })).stdout;
  } catch (error) {
    if (error instanceof Error && "stdout" in error && "code" in error && error.code === 1)
      return String(error.stdout);
    throw error;
  }
}

/** Keyplane beside the others, each in the version that is pinned, with its recommended rules and nothing else. */
export async function scanners(report: Report): Promise<Scanner[]> {
  const [python, secretlint, gitleaks] = [
    await findDetectSecrets(report),
    await findSecretlint(report),
    await findGitleaks(report),
  ];
  return [
    { name: "keyplane scan", scan: keyplane },
    { name: "secretlint 13.0.6, preset-recommend", scan: (folder) => secretlintOf(secretlint, folder) },
    { name: "detect-secrets 1.4.0", scan: (folder) => detectSecretsOf(python, folder) },
    { name: "gitleaks 8.30.1", scan: (folder) => gitleaksOf(gitleaks, folder) },
  ];
}

export async function keyplane(folder: string): Promise<Reported[]> {
  const out = await printed(process.execPath, [resolve("cli/keyplane.ts"), "scan", "--json", "."], folder);
  return (JSON.parse(out) as { findings: Reported[] }).findings.map(({ path, line }) => ({ path, line }));
}

async function secretlintOf(script: string, folder: string): Promise<Reported[]> {
  const config = join(folder, ".secretlintrc.json");
  const preset = resolve(script, "../../../@secretlint/secretlint-rule-preset-recommend");
  await writeFile(config, JSON.stringify({ rules: [{ id: preset }] }));
  try {
    const args = [script, "--format", "json", "--no-color", "--secretlintrc", config, "**/*"];
    const out = await printed(process.execPath, args, folder);
    const files = JSON.parse(out) as { filePath: string; messages: { loc: { start: { line: number } } }[] }[];
    return files.flatMap(({ filePath, messages }) =>
      messages.map(({ loc }) => ({ path: relative(folder, filePath), line: loc.start.line })),
    );
  } finally {
    await rm(config);
  }
}

export async function detectSecretsOf(python: string, folder: string): Promise<Reported[]> {
  // Without asking the issuers whether a value is valid: nothing of a corpus leaves the machine.
  const out = await printed(
    python,
    ["-m", "detect_secrets", "scan", "--all-files", "--no-verify", "."],
    folder,
  );
  const { results } = JSON.parse(out) as { results: Record<string, { line_number: number }[]> };
  return Object.entries(results).flatMap(([path, found]) =>
    found.map(({ line_number }) => ({ path: path.replace(/^\.\//, ""), line: line_number })),
  );
}

async function gitleaksOf(file: string, folder: string): Promise<Reported[]> {
  const args = [
    "dir",
    ".",
    "--no-banner",
    "--log-level=error",
    "--exit-code=0",
    "--report-format=json",
    "--report-path=-",
  ];
  const found = JSON.parse(await printed(file, args, folder)) as { File: string; StartLine: number }[] | null;
  return (found ?? []).map(({ File, StartLine }) => ({ path: File, line: StartLine }));
}
