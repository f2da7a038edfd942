import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const tracked = (await run("git", ["ls-files", "--cached", "--others", "--exclude-standard"])).stdout
  .trim()
  .split("\n");
const text = /\.(ts|mjs|json|yaml|md|mod)$|^\.ci\/run$/;

async function lines(pattern: RegExp, files: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    const content = await readFile(file, "utf8").catch(() => "");
    for (const [index, line] of content.split("\n").entries()) {
      if (pattern.test(line)) found.push(`${file}:${index + 1}`);
    }
  }
  return found;
}

async function clean(command: string, ...args: string[]): Promise<void> {
  await run(command, args, { maxBuffer: 16 * 1024 * 1024 }).catch(
    (error: { stdout?: string; stderr?: string }) =>
      assert.fail(`${command} ${args.join(" ")}\n${error.stdout ?? ""}${error.stderr ?? ""}`),
  );
}

test("the types hold", () => clean("tsc"));

test("the formatter and the linter find nothing", () => clean("biome", "check", "--error-on-warnings", "."));

test("dependencies point one way: cli → operations, infra, policies, local → clients, model", async () => {
  const { scripts } = JSON.parse(await readFile("package.json", "utf8")) as { scripts: { check: string } };
  const [, args = ""] = /depcruise (.*)$/.exec(scripts.check) ?? [];
  await clean("depcruise", ...args.split(" "));
});

test("the README names the two commands, and CI runs the one that tests", async () => {
  const readme = await readFile("README.md", "utf8");
  assert.match(readme, /^npm run up\b/m);
  assert.match(readme, /^npm test\b/m);
  assert.match(await readFile(".ci/run", "utf8"), /\bnpm test\b/);
  assert.ok(((await stat(".ci/run")).mode & 0o100) !== 0, ".ci/run is executable");
});

test("no committed file holds a path of a machine", async () => {
  assert.deepEqual(
    await lines(
      /(^|[^\w.-])\/(work|root|home)\/[a-z.]/,
      tracked.filter((file) => text.test(file)),
    ),
    [],
  );
});

test("package-lock.json and go.sum name no registry's host", async () => {
  assert.deepEqual(
    await lines(
      /"resolved"|https?:\/\/(registry|proxy)\./,
      tracked.filter((file) => /package-lock\.json$|\.sum$/.test(file)),
    ),
    [],
  );
});

test("no test is skipped, focused or left to do", async () => {
  const tests = tracked.filter((file) => file.endsWith(".test.ts"));
  assert.deepEqual(
    await lines(/\b(test|it|describe|suite)\.(skip|only|todo)\b|\b(skip|todo|only): true\b/, tests),
    [],
  );
});

test("keys, environment files and decrypted files are never committed (R6)", async () => {
  assert.deepEqual(
    tracked.filter((file) => /(^|\/)\.env(\.|$)|\.(pem|key)$|(credentials|secrets)\.json$/.test(file)),
    [],
  );
  const ignored = await readFile(".gitignore", "utf8");
  for (const rule of [".env", ".env.*", "*.pem", "*.key", "credentials.json", "secrets.json", ".keyplane/"]) {
    assert.ok(ignored.split("\n").includes(rule), `${rule} is ignored`);
  }
});
