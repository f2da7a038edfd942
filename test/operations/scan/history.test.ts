import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";
import { scanHistory, scanStaged, scanTracked } from "../../../operations/scan/scan.ts";
import { sample } from "./plant.ts";
import { TestRepository } from "./repositories.ts";

const token = sample("GitHub personal token");
const other = sample("GitHub personal token", 2);

async function historyOf(repository: TestRepository, since: string[] = [], at?: string) {
  const wanted = { since, ...(at !== undefined && { at }) };
  const { findings } = await scanHistory({ cwd: repository.root }, wanted);
  return findings.map(({ kind, path, line, commit }) => [kind.id, path, line, commit]);
}

test("a value that was committed and taken out again is found, with its commit, path and line (R61)", async () => {
  const repository = await TestRepository.make();
  const commit = await repository.commit({ "app/config.py": `import os\n\nTOKEN = "${token}"\n` });
  await repository.commit({ "app/config.py": "import os\n" });
  assert.deepEqual((await scanTracked({ cwd: repository.root })).findings, []);
  assert.deepEqual(await historyOf(repository), [["github-token", "app/config.py", 3, commit]]);
});

test("a shallow clone's history is not whole, and the scan says so", async () => {
  const repository = await TestRepository.make({ "config.txt": `t = ${token}\n` });
  await repository.commit({ "config.txt": "t\n" });
  const shallow = join(repository.root, "..", `${basename(repository.root)}-shallow`);
  repository.git("clone", "--quiet", "--depth", "1", `file://${repository.root}`, shallow);
  try {
    const { findings, skipped } = await scanHistory({ cwd: shallow });
    assert.deepEqual(
      [findings, skipped],
      [[], ["what lies before this shallow clone: fetch it with `git fetch --unshallow`"]],
    );
    assert.deepEqual((await scanHistory({ cwd: repository.root })).skipped, []);
  } finally {
    await rm(shallow, { recursive: true, force: true });
  }
});

test("a tracked file whose name is not UTF-8, and so is not read, is named", async () => {
  const repository = await TestRepository.make();
  await writeFile(Buffer.concat([Buffer.from(`${repository.root}/caf`), Buffer.from([0xe9])]), `${token}\n`);
  repository.git("add", "--all");
  const { skipped } = await scanTracked({ cwd: repository.root });
  assert.deepEqual(skipped, ["caf\ufffd: its name is not UTF-8, so it was not read: rename it"]);
});

test("a content that stays through many commits is read once", async () => {
  const repository = await TestRepository.make({ "config.txt": `t = ${token}\n` });
  for (let turn = 0; turn < 3; turn++) await repository.commit({ "README.md": `# ${turn}\n` });
  const { scanned, findings } = await scanHistory({ cwd: repository.root });
  assert.equal(findings.length, 1);
  // .gitattributes, .gitignore, config.txt, four of README.md, four messages.
  assert.equal(scanned, 11);
});

test("a value that a file keeps while it changes is reported once, where it came in", async () => {
  const repository = await TestRepository.make();
  const commit = await repository.commit({ "config.txt": `t = ${token}\n` });
  await repository.commit({ "config.txt": `# about\nt = ${token}\n` });
  await repository.commit({ "config.txt": `# about it\n\nt = ${token}\n` });
  const { findings } = await scanHistory({ cwd: repository.root });
  assert.deepEqual(
    findings.map(({ line, commit: by, message }) => [line, by, message]),
    [[1, commit, "a GitHub token, 40 characters, also in 2 later versions"]],
  );
});

test("branches, tags, merges and stashes are a part of history", async () => {
  const repository = await TestRepository.make();
  repository.git("checkout", "--quiet", "-b", "side");
  const onBranch = await repository.commit({ "side.txt": `${token}\n` });
  repository.git("checkout", "--quiet", "main");
  await repository.commit({ "main.txt": "main\n" });
  repository.git("merge", "--quiet", "--no-commit", "--no-ff", "side");
  const merge = await repository.commit({ "merged.txt": `${other}\n` }, "Merge side");
  repository.git("branch", "--quiet", "-D", "side");
  const stashed = sample("GitHub personal token", 3);
  await repository.write({ "README.md": `${stashed}\n` });
  repository.git("stash");
  const found = await historyOf(repository);
  assert.deepEqual(
    found.map(([, path]) => path),
    ["README.md", "merged.txt", "side.txt"],
  );
  assert.deepEqual([found[1]?.[3], found[2]?.[3]], [merge, onBranch]);
});

test("a commit's message is scanned as well, and no comment allows anything in it", async () => {
  const repository = await TestRepository.make();
  const commit = await repository.commit({}, `Use the token\n\nIt is ${token} # pragma: allowlist secret`);
  assert.deepEqual(await historyOf(repository), [["github-token", "commit message", 3, commit]]);
});

test("--since leaves out what is known, and refuses a revision that is not there", async () => {
  const repository = await TestRepository.make({ "old.txt": `${token}\n` });
  repository.git("tag", "known");
  const commit = await repository.commit({ "new.txt": `${other}\n` });
  assert.deepEqual(await historyOf(repository, ["known"]), [["github-token", "new.txt", 1, commit]]);
  await assert.rejects(historyOf(repository, ["unknown"]), { name: "GitError" });
  // What another branch has is no matter of this one's review.
  repository.git("checkout", "--quiet", "-b", "other", "known");
  assert.deepEqual(await historyOf(repository, ["known"], "HEAD"), []);
  assert.equal((await historyOf(repository, ["known"])).length, 1);
  await assert.rejects(historyOf(repository, [], "--all"), { name: "GitError" });
});

test("names with blanks, quotes and other alphabets are said as they are", async () => {
  const name = 'a "quoted" name\tü漢.txt';
  const repository = await TestRepository.make({ [name]: `${token}\n` });
  assert.equal((await historyOf(repository))[0]?.[1], name);
  assert.equal((await scanTracked({ cwd: repository.root })).findings[0]?.path, name);
});

test("what is staged is judged, not what lies in the folder", async () => {
  const repository = await TestRepository.make();
  await repository.write({ "a.txt": `${token}\n`, "b.txt": "nothing\n" });
  repository.git("add", "a.txt", "b.txt");
  await repository.write({ "a.txt": "taken out since\n", "b.txt": `${other}\n` });
  const { findings, scanned } = await scanStaged({ cwd: repository.root });
  assert.deepEqual(
    findings.map(({ path }) => path),
    ["a.txt"],
  );
  assert.equal(scanned, 2);
});

test("symbolic links are not followed, neither files nor folders, and submodules are named", async () => {
  const outside = await TestRepository.make({ "secret.txt": `${token}\n` });
  const repository = await TestRepository.make({ "folder/file.txt": "nothing\n" });
  await symlink(join(outside.root, "secret.txt"), join(repository.root, "link.txt"));
  repository.git("submodule", "--quiet", "add", outside.root, "sub");
  await repository.commit({});
  // A tracked folder that somebody replaces by a link.
  await outside.commit({ "file.txt": `${token}\n` });
  await rm(join(repository.root, "folder"), { recursive: true });
  await symlink(outside.root, join(repository.root, "folder"));
  const { findings, skipped } = await scanTracked({ cwd: repository.root });
  assert.deepEqual(findings, []);
  assert.deepEqual(skipped, [
    "1 symbolic link, which is not followed",
    "sub: a submodule, which is scanned in its own repository",
  ]);
});

test("a large content goes through in pieces", async () => {
  const filler = Buffer.alloc(9_000_000, "0123456789abcde\n");
  const repository = await TestRepository.make();
  await repository.commit({ "large.txt": Buffer.concat([filler, Buffer.from(`${token}\n`)]) });
  const lines = filler.length / 16;
  assert.deepEqual(
    (await historyOf(repository)).map(([, , line]) => line),
    [lines + 1],
  );
  assert.deepEqual(
    (await scanTracked({ cwd: repository.root })).findings.map(({ line }) => line),
    [lines + 1],
  );
});

test("a repository whose own settings name programs runs none of them while it is scanned", async () => {
  const repository = await TestRepository.make({ "config.txt": `t = ${token}\n` });
  const ran = join(repository.root, ".git", "ran");
  const program = join(repository.root, ".git", "program");
  await writeFile(program, `#!/bin/sh\ntouch '${ran}'\n`, { mode: 0o755 });
  await repository.write({
    ".gitattributes": "*.txt diff=planted filter=planted\n",
    "config.txt": `t = ${other}\n`,
  });
  repository.git("add", "config.txt", ".gitattributes");
  const settings = ["core.fsmonitor", "diff.external", "diff.planted.command", "diff.planted.textconv"];
  for (const name of settings) repository.git("config", name, program);
  // Git itself runs it: the plant is one.
  repository.git("status", "--short");
  assert.ok(existsSync(ran), "core.fsmonitor is run by git status");
  await rm(ran);
  for (const scan of [scanTracked, scanStaged, scanHistory]) {
    const { findings } = await scan({ cwd: repository.root });
    assert.ok(findings.length > 0);
    assert.ok(!existsSync(ran), scan.name);
  }
});
