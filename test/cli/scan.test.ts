import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { sample } from "../operations/scan/plant.ts";
import { TestRepository } from "../operations/scan/repositories.ts";
import { keyplane } from "./command.ts";

const token = sample("GitHub personal token");

test("this repository passes `keyplane scan`", async () => {
  const { code, stdout, stderr } = await keyplane(["scan"]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^no finding in \d{3,} scanned, /m);
});

test("a finding is exit code 1, with its place and fix; nothing found is 0", async () => {
  const repository = await TestRepository.make({ "src/a.ts": `const token = "${token}";\n` });
  const { code, stdout } = await keyplane(["scan"], { cwd: repository.root });
  assert.deepEqual(
    [code, stdout.split("\n")[0]],
    [1, "✗ src/a.ts:1:16: github-token: a GitHub token, 40 characters"],
  );
  assert.ok(!stdout.includes(token));
  await repository.commit({ "src/a.ts": "const token = undefined;\n" });
  assert.equal((await keyplane(["scan"], { cwd: repository.root })).code, 0);
  const history = await keyplane(["scan", "--history", "--json"], { cwd: repository.root });
  assert.equal(history.code, 1);
  const { findings } = JSON.parse(history.stdout) as {
    findings: { kind: string; path: string; commit: string }[];
  };
  assert.deepEqual(
    findings.map(({ kind, path }) => [kind, path]),
    [["github-token", "src/a.ts"]],
  );
  assert.ok(!history.stdout.includes(token));
});

test("a log on standard input is scanned, and no comment in it allows anything (R61)", async () => {
  const input = `api-1  | \u001b[33mWARN\u001b[0m retry\napi-1  | \u001b[33m${token}\u001b[0m # pragma: allowlist secret\n`;
  const { code, stdout } = await keyplane(["scan", "-"], { input });
  assert.deepEqual(
    [code, stdout.split("\n")[0]],
    [1, "✗ standard input:2:15: github-token: a GitHub token, 40 characters"],
  );
  const repository = await TestRepository.make();
  await writeFile(join(repository.root, "api.log"), input);
  const log = await keyplane(["scan", "--log", "api.log"], { cwd: repository.root });
  assert.deepEqual(
    [log.code, log.stdout.split("\n")[0]],
    [1, "✗ api.log:2:15: github-token: a GitHub token, 40 characters"],
  );
  assert.equal((await keyplane(["scan", "-"], { input: "all is well\n" })).code, 0);
});

test("a hook stops a commit that has a value, by what is staged", async () => {
  const repository = await TestRepository.make();
  await repository.write({ "a.txt": `${token}\n` });
  assert.equal((await keyplane(["scan", "--staged"], { cwd: repository.root })).code, 0);
  repository.git("add", "a.txt");
  assert.equal((await keyplane(["scan", "--staged"], { cwd: repository.root })).code, 1);
});

test("paths are scanned wherever they are, also below a folder that is no repository", async () => {
  const repository = await TestRepository.make();
  await repository.write({ "ignored/deep/a.txt": `${token}\n` });
  const { code, stdout } = await keyplane(["scan", join(repository.root, "ignored")], { cwd: "/" });
  assert.equal(code, 1);
  assert.match(stdout, /ignored\/deep\/a\.txt:1:1: github-token/);
});

test("SARIF and annotations are written where they are asked for", async () => {
  const repository = await TestRepository.make({ "a.txt": `x ${token}\n` });
  const { code, stdout } = await keyplane(["scan", "--sarif", "out.sarif", "--annotate"], {
    cwd: repository.root,
  });
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^::error file=a\.txt,line=1,col=3,title=github-token::a GitHub token, 40 characters\. First /,
  );
  assert.match(await readFile(join(repository.root, "out.sarif"), "utf8"), /"ruleId": "github-token"/);
});

test("--write-baseline makes the next scan clean, and a dry run writes nothing", async () => {
  const repository = await TestRepository.make({ "a.txt": `${token}\n` });
  const where = { cwd: repository.root };
  assert.equal(
    (await keyplane(["scan", "--write-baseline", "--dry-run"], where)).stdout,
    "Would write 1 entry.\n",
  );
  assert.equal((await keyplane(["scan"], where)).code, 1);
  assert.equal((await keyplane(["scan", "--write-baseline"], where)).code, 0);
  const { code, stdout } = await keyplane(["scan"], where);
  assert.deepEqual([code, stdout], [0, "no finding in 4 scanned, 0.0 MB (1 in the baseline).\n"]);
});

test("wrong usage is exit code 2 and says what to do; without Git it is 3", async () => {
  const outside = { cwd: "/" };
  for (const [args, message] of [
    [["scan", "--staged", "--history"], /--staged or --history/],
    [["scan", "--since", "main"], /--since is for --history/],
    [["scan", "no-such-file"], /no-such-file: there is no such file/],
    [["scan", "--write-baseline", "a"], /--write-baseline is for everything tracked/],
  ] as const) {
    const { code, stderr } = await keyplane([...args], outside);
    assert.deepEqual([code, message.test(stderr)], [2, true], stderr);
  }
  const { code, stderr } = await keyplane(["scan"], outside);
  assert.deepEqual([code, /not a git repository/.test(stderr)], [2, true], stderr);
  const missing = await keyplane(["scan"], { env: { PATH: "" } });
  assert.deepEqual(
    [missing.code, /there is no `git` on PATH/.test(missing.stderr)],
    [3, true],
    missing.stderr,
  );
});
