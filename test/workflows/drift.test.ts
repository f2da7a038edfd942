import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GitHubServer } from "../operations/github/server.ts";
import { runJob } from "./steps.ts";

// The scripts of drift.yml, run: what they say in their one issue on a local GitHub.

const github = await GitHubServer.start();
const folder = await mkdtemp(join(tmpdir(), "keyplane-drift-"));
after(async () => {
  await github[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** @param as stands for `keyplane as`, without which there is no Vault to log in to */
async function look(name: string, { parts = false, as }: { parts?: boolean; as?: string } = {}) {
  const work = join(folder, name, "work");
  await cp("catalogue", join(work, "catalogue"), { recursive: true });
  if (parts) {
    const file = join(work, "catalogue", "systems", "titan.yaml");
    await writeFile(file, (await readFile(file, "utf8")).replace(/^owner:/m, "part: trading\nowner:"));
  }
  const before = join(folder, name, "before");
  await mkdir(before, { recursive: true });
  if (as !== undefined) {
    const script = `#!/bin/sh\ncase "$2" in as) shift 6; ${as};; *) exec "$(dirname "$0")/../bin/npx" "$@";; esac\n`;
    await writeFile(join(before, "npx"), script, { mode: 0o700 });
  }
  return runJob({
    file: "drift.yml",
    job: "look",
    folder: work,
    contexts: {
      matrix: { environment: "staging" },
      vars: {},
      github: { token: github.environment.GITHUB_TOKEN },
    },
    env: { ...github.environment, PATH: before },
  });
}

test("a login that fails stands in the issue with its reason, and the issue is closed once nothing differs", async () => {
  const failed = await look("failed");
  assert.deepEqual(
    github.entries.map(({ title, state }) => [title, state]),
    [["Drift in staging", "open"]],
    failed.output,
  );
  const body = github.entries[0]?.body ?? "";
  assert.match(
    body,
    /^<!-- keyplane drift staging -->\n\n## pulumi refresh --preview-only of every stack\n\n {4}stack staging\n {4}error: .*log/m,
  );
  assert.match(body, /\n## keyplane check --state --live\n\n {4}error: .*log/);
  await look("well", { as: 'echo "nothing differs: $*"' });
  assert.deepEqual(
    github.entries.map(({ state }) => state),
    ["closed"],
  );
});

test("every stack of the environment is looked at, also after one that differs", async () => {
  github.entries = [];
  const { outcomes, output } = await look("parts", {
    parts: true,
    as: 'echo "looked at $4"; case "$4" in *.platform) exit 1;; esac',
  });
  assert.equal(outcomes["refresh every stack, without writing"], "failure", output);
  const said = [...(github.entries[0]?.body ?? "").matchAll(/looked at (staging\.\S+)/g)].map(
    ([, stack]) => stack,
  );
  assert.ok(said.length >= 3 && said.includes("staging.trading"), said.join());
  assert.equal(said[0], "staging.platform");
  assert.equal(github.entries[0]?.state, "open");
});
