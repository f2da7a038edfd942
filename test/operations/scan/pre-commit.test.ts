import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { findDetectSecrets } from "../../../bench/scanners/install.ts";
import { keyplane } from "../../cli/command.ts";
import { sample } from "./plant.ts";
import { TestRepository } from "./repositories.ts";

interface Hook {
  id: string;
  args?: string[];
  entry?: string;
}

const python = await findDetectSecrets(() => {});
const { repos } = parse(await readFile(".pre-commit-config.yaml", "utf8")) as {
  repos: { repo: string; rev?: string; hooks: Hook[] }[];
};

/**
 * What the hook runs, on these files; the paths that it names. The baseline is a copy: the hook writes it anew where only
 * lines have moved, and ends with 3.
 */
async function detectSecrets(cwd: string, files: string[]): Promise<{ code: number; paths: string[] }> {
  const baseline = join((await TestRepository.make()).root, "baseline");
  await copyFile(".secrets.baseline", baseline);
  const args = ["--baseline", baseline];
  try {
    await promisify(execFile)(python, ["-m", "detect_secrets.pre_commit_hook", ...args, ...files], {
      cwd,
      maxBuffer: 1 << 26,
    });
    return { code: 0, paths: [] };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    if (code === 3) return { code: 0, paths: [] };
    return { code, paths: [...stdout.matchAll(/^Location:\s+(\S+):\d+$/gm)].map(([, path = ""]) => path) };
  }
}

test("the hooks are detect-secrets 1.4.0 with its baseline, keyplane scan and keyplane validate (R60)", async () => {
  assert.deepEqual(
    repos.flatMap(({ rev, hooks }) => hooks.map(({ id, entry, args }) => [id, rev ?? entry, args])),
    [
      ["detect-secrets", "v1.4.0", ["--baseline", ".secrets.baseline"]],
      ["keyplane-scan", "node setup.mjs cli/keyplane.ts scan --staged", undefined],
      ["keyplane-validate", "node setup.mjs cli/keyplane.ts validate", undefined],
    ],
  );
  const { version } = JSON.parse(await readFile(".secrets.baseline", "utf8")) as { version: string };
  const { stdout } = await promisify(execFile)(python, ["-m", "detect_secrets", "--version"]);
  assert.deepEqual([version, stdout.trim()], ["1.4.0", "1.4.0"]);
});

test("detect-secrets finds nothing new in this repository; for a false one: detect-secrets scan --baseline .secrets.baseline (R60)", async () => {
  const { stdout } = await promisify(execFile)("git", ["ls-files", "-z"], { maxBuffer: 1 << 26 });
  const files = stdout.split("\0").filter((file) => file !== "" && file !== ".secrets.baseline");
  assert.deepEqual(await detectSecrets(process.cwd(), files), { code: 0, paths: [] });
});

test("a planted secret is found by both", async () => {
  const repository = await TestRepository.make();
  const files = {
    "app/settings.py": `API_KEY = "${sample("GitHub personal token")}"\n`,
    "app/config.yaml": `signing_key: "${sample("hex secret")}"\n`,
    "app/key.txt": `stripe = "${sample("Stripe key")}"\n`,
  };
  await repository.write(files);
  repository.git("add", "--all");
  const names = Object.keys(files).sort();
  const { code, paths } = await detectSecrets(repository.root, names);
  assert.deepEqual([code, [...new Set(paths)].sort()], [1, names]);
  const own = await keyplane(["scan", "--staged", "--json"], { cwd: repository.root });
  const { findings } = JSON.parse(own.stdout) as { findings: { path: string }[] };
  assert.deepEqual([own.code, [...new Set(findings.map(({ path }) => path))].sort()], [1, names]);
});

test("what detect-secrets' baseline knows is known to keyplane scan, unless its audit says that it is a secret", async () => {
  const repository = await TestRepository.make({ "a.py": `password = "${sample("generated password")}"\n` });
  // With its keyword plugin, which this repository turns off: what a team's own baseline holds is honoured.
  const { stdout } = await promisify(execFile)(python, ["-m", "detect_secrets", "scan", "--no-verify"], {
    cwd: repository.root,
  });
  await repository.commit({ ".secrets.baseline": stdout });
  const { code, stdout: said } = await keyplane(["scan"], { cwd: repository.root });
  assert.deepEqual([code, /1 allowed by a comment or detect-secrets' baseline/.test(said)], [0, true], said);
  await repository.commit({
    ".secrets.baseline": stdout.replaceAll('"is_verified": false', '"is_verified": false, "is_secret": true'),
  });
  assert.equal((await keyplane(["scan"], { cwd: repository.root })).code, 1);
});
