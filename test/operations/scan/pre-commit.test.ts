import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { findDetectSecrets } from "../../../bench/scanners/install.ts";
import { installPython, pinnedIn } from "../../../local/toolchain/python-package.ts";
import { keyplane } from "../../cli/command.ts";
import { realFiles } from "../../model/real.ts";
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

test("the hooks are detect-secrets 1.4.0 with its baseline, keyplane scan, validate and check (R60)", async () => {
  assert.deepEqual(
    repos.flatMap(({ rev, hooks }) => hooks.map(({ id, entry, args }) => [id, rev ?? entry, args])),
    [
      ["detect-secrets", "v1.4.0", ["--baseline", ".secrets.baseline"]],
      ["keyplane-scan", "node setup.mjs cli/keyplane.ts scan --staged", undefined],
      ["keyplane-validate", "node setup.mjs cli/keyplane.ts validate", undefined],
      ["keyplane-check", "node setup.mjs cli/keyplane.ts check --environment production", undefined],
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

/** A repository with our configuration, in which pre-commit runs. */
async function hooked() {
  const runner = await installPython(
    { name: "pre-commit", what: "The runner of the hooks", module: "pre_commit" },
    pinnedIn(join(import.meta.dirname, "pre-commit")),
    () => {},
  );
  // GitHub is not reached from here: a repository with the same hook, which runs the package that PyPI has.
  const hooks = await TestRepository.make({
    ".pre-commit-hooks.yaml": `- id: detect-secrets\n  name: Detect secrets\n  language: system\n  entry: ${python} -m detect_secrets.pre_commit_hook\n`,
  });
  hooks.git("tag", "v1.4.0");
  const repository = await TestRepository.make({
    ...Object.fromEntries(
      await Promise.all(
        [".pre-commit-config.yaml", ".secrets.baseline"].map(
          async (file) => [file, await readFile(file, "utf8")] as const,
        ),
      ),
    ),
    ...Object.fromEntries(Object.entries(realFiles()).map(([file, text]) => [join("catalogue", file), text])),
  });
  // The hooks' commands, of this repository.
  for (const name of ["setup.mjs", "cli"]) await symlink(resolve(name), join(repository.root, name));
  await writeFile(join(repository.root, ".git", "info", "exclude"), "setup.mjs\ncli\n");
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    PRE_COMMIT_HOME: join(repository.root, ".git", "pre-commit"),
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: `url.file://${hooks.root}.insteadOf`,
    GIT_CONFIG_VALUE_0: "https://github.com/Yelp/detect-secrets",
  };
  /** What each hook said of what is staged: Passed, Failed or Skipped. */
  const run = async () => {
    const options = { cwd: repository.root, env: environment, maxBuffer: 1 << 26 };
    const { code, stdout } = await promisify(execFile)(
      runner,
      ["-m", "pre_commit", "run", "--color", "never"],
      options,
    ).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: { code: number; stdout: string }) => error,
    );
    const lines = stdout.matchAll(/^(\w[\w -]*?)\.{3,}.*?(Passed|Failed|Skipped)$/gm);
    return {
      code,
      hooks: Object.fromEntries([...lines].map(([, name, said]) => [name, said])),
      output: stdout,
    };
  };
  return { repository, run };
}

test("pre-commit itself, with our configuration, lets a clean commit pass and stops a wrong one by each hook (R60)", async () => {
  const { repository, run } = await hooked();
  await repository.write({ "app/main.py": "print('hello')\n" });
  repository.git("add", "--all");
  const clean = await run();
  assert.deepEqual(
    [clean.code, clean.hooks],
    [
      0,
      {
        "Detect secrets": "Passed",
        "keyplane scan": "Passed",
        "keyplane validate": "Skipped",
        "keyplane check": "Skipped",
      },
    ],
    clean.output,
  );
  const organization = realFiles()["organization.yaml"] ?? "";
  await repository.write({
    "app/settings.py": `API_KEY = "${sample("GitHub personal token")}"\n`,
    "catalogue/organization.yaml": organization.replace("administrators:", "administrator:"),
  });
  repository.git("add", "--all");
  const wrong = await run();
  assert.deepEqual(
    [wrong.code, wrong.hooks],
    [
      1,
      {
        "Detect secrets": "Failed",
        "keyplane scan": "Failed",
        "keyplane validate": "Failed",
        "keyplane check": "Failed",
      },
    ],
    wrong.output,
  );
  assert.ok(!wrong.output.includes(sample("GitHub personal token")));
  // What is well formed and against the rules.
  await repository.write({
    "app/settings.py": "API_KEY = None\n",
    "catalogue/organization.yaml": organization.replaceAll("cidrs: [10.", "cidrs: [8."),
  });
  repository.git("add", "--all");
  const against = await run();
  assert.deepEqual(
    [against.hooks["keyplane validate"], against.hooks["keyplane check"]],
    ["Passed", "Failed"],
    against.output,
  );
  assert.match(against.output, /approle-network-bound/);
});
