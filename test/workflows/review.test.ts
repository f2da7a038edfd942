import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { realFiles } from "../model/real.ts";
import { GitHubServer } from "../operations/github/server.ts";
import { sample } from "../operations/scan/plant.ts";
import { TestRepository } from "../operations/scan/repositories.ts";
import { wide } from "../policies/organization.ts";
import { type Ran, runJob, type Step } from "./steps.ts";

// The scripts of review.yml, run: what they say of a pull request in its one comment on a local GitHub.

const github = await GitHubServer.start();
const folders: string[] = [];
after(async () => {
  await github[Symbol.asyncDispose]();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

const marker = "<!-- keyplane review -->";
const organization = realFiles()["organization.yaml"] ?? "";

interface PullRequest {
  check: Ran | undefined;
  comment: Ran;
  /** The comment's sections, by title. */
  said: Record<string, string>;
  folder: string;
}

/** A repository with the shipped catalogue at its base, and a branch with these commits. */
async function reviewed(
  commits: Record<string, string>[],
  {
    skipCheck = false,
    written = {},
    links = {},
  }: {
    skipCheck?: boolean;
    written?: Record<string, string>;
    links?: Record<string, string>;
  } = {},
): Promise<PullRequest> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-review-"));
  folders.push(folder);
  const repository = await TestRepository.make(
    Object.fromEntries(Object.entries(realFiles()).map(([file, text]) => [`catalogue/${file}`, text])),
  );
  for (const name of ["bootstrap", ".sops.yaml", ".gitignore", ".gitattributes"]) {
    await cp(name, join(repository.root, name), { recursive: true });
  }
  const base = await repository.commit({});
  repository.git("checkout", "--quiet", "-b", "change");
  for (const [name, target] of Object.entries(links)) await symlink(target, join(repository.root, name));
  let head = base;
  for (const files of commits) head = await repository.commit(files);
  const [checked, judged] = [join(folder, "check", "work"), join(folder, "comment", "work")];
  execFileSync("git", ["clone", "--quiet", repository.root, checked]);
  execFileSync("git", ["-c", "advice.detachedHead=false", "clone", "--quiet", repository.root, judged]);
  execFileSync("git", ["-C", judged, "checkout", "--quiet", base]);
  const number = github.asked.length + 1;
  const contexts = {
    github: {
      sha: head,
      repository: "acme/secrets",
      token: github.environment.GITHUB_TOKEN,
      event: {
        pull_request: {
          number,
          base: { sha: base },
          head: { sha: head, repo: { full_name: "acme/secrets" } },
        },
      },
    },
  };
  github.entries = [github.entry(1, `${marker}\n\neverything passed\n`)];
  const check = skipCheck
    ? undefined
    : await runJob({ file: "review.yml", job: "check", folder: checked, contexts });
  for (const [name, text] of Object.entries(written)) {
    await mkdir(join(checked, "review"), { recursive: true });
    await writeFile(join(checked, "review", name), text);
  }
  /** What the actions of the second job bring. */
  const uses = async ({ uses: action = "", with: settings = {} }: Step) => {
    if (action.startsWith("actions/download-artifact@")) {
      await cp(join(checked, settings.path ?? ""), join(judged, settings.path ?? ""), {
        recursive: true,
      }).catch(() => {});
    }
    if (action.startsWith("actions/checkout@") && settings.path !== undefined) {
      execFileSync("git", ["clone", "--quiet", repository.root, join(judged, settings.path)]);
    }
  };
  const env = github.environment;
  const comment = await runJob({ file: "review.yml", job: "comment", folder: judged, contexts, env, uses });
  const [entry, ...more] = github.entries;
  assert.deepEqual(more, [], "there is one comment");
  assert.ok(entry);
  assert.ok(entry.body.startsWith(`${marker}\n`), comment.output);
  const parts = entry.body.split(/^## /m).slice(1);
  const said = Object.fromEntries(
    parts.map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n")).trim()]),
  );
  return { check, comment, said, folder: checked };
}

const titles = [
  "By the rules of the base",
  "By the pull request's own code: validate",
  "Its scan of the files",
  "Its scan of the commits",
  "Its policies of staging",
  "Its policies of production",
];
const [base = "", validate = "", files = "", history = "", staging = "", production = ""] = titles;

// One after the other: there is one GitHub.
suite("a pull request that opens a login, plants a token and takes it away again, and changes a rule", {
  concurrency: 1,
}, () => {
  let pull: PullRequest;
  test("is refused by both jobs, and its comment is written anew", async () => {
    pull = await reviewed([
      { "app/a.ts": `const token = "${sample("GitHub personal token")}";\n` },
      {
        "app/a.ts": "export const token = undefined;\n",
        "policies/vault/machines.ts": "export const rules = [];\n",
        "catalogue/organization.yaml": organization.replace(wide.from, wide.to),
      },
    ]);
    assert.deepEqual(Object.keys(pull.said), titles);
    assert.deepEqual(
      Object.entries(pull.check?.outcomes ?? {}).filter(([, outcome]) => outcome === "failure").length,
      2,
      pull.check?.output,
    );
  });
  test("what every step found stands in it", () => {
    assert.match(pull.said[validate] ?? "", /^\*\*passed\*\*/);
    assert.match(pull.said[files] ?? "", /^\*\*passed\*\*/);
    assert.match(
      pull.said[history] ?? "",
      /^\*\*violated\*\*: 1 finding .*\n\n.*\n.*\n\| <code>[0-9a-f]{12}:app\/a\.ts:1:16<\/code> \| \*\*github-token\*\*/,
    );
    assert.match(pull.said[staging] ?? "", /approle-network-bound/);
    assert.match(pull.said[production] ?? "", /^### Policies: /);
    assert.ok(
      !JSON.stringify([pull.said, pull.check, pull.comment]).includes(sample("GitHub personal token")),
    );
  });
  test("the base's rules judge it as well, and which rules change is said", () => {
    assert.match(
      pull.said[base] ?? "",
      /^\*\*The rules themselves change: read them\.\*\*[\s\S]*- <code>policies\/vault\/machines\.ts<\/code>/,
    );
    assert.match(pull.said[base] ?? "", /approle-network-bound/);
    assert.equal(
      pull.comment.outcomes['npx keyplane review "$HEAD" --repository'],
      "failure",
      pull.comment.output,
    );
    assert.equal(pull.comment.outcomes["one comment"], "success");
  });
  test("the summary has the sections, and SARIF lies in what is kept", async () => {
    assert.match(pull.check?.summary ?? "", /## Scan of the commits\n\n\*\*violated\*\*/);
    for (const name of ["scan", "history", "staging", "production"]) {
      const text = await readFile(join(pull.folder, "review", `${name}.sarif`), "utf8");
      assert.equal((JSON.parse(text) as { version: string }).version, "2.1.0");
    }
  });
});

test("a catalogue that is not valid is said in every section that could not judge it", async () => {
  const { said, check, comment } = await reviewed([
    { "catalogue/organization.yaml": organization.replace("administrators:", "administrator:") },
  ]);
  for (const title of [validate, staging, production, base]) {
    assert.match(
      said[title] ?? "",
      /^\*\*failed\*\*: \d+ problem\(s\)\n\n- <code>catalogue\/organization\.yaml:\d+<\/code>/,
      title,
    );
  }
  assert.match(said[files] ?? "", /^\*\*passed\*\*/);
  assert.match(
    check?.output ?? "",
    /^::error file=catalogue\/organization\.yaml,line=\d+,col=\d+,title=keyplane validate::/m,
  );
  assert.equal(comment.outcomes["one comment"], "success", comment.output);
});

test("where the pull request's own steps wrote nothing, the comment says so and the base judges all the same", async () => {
  const { said, comment } = await reviewed([{ "README.md": "# Another\n" }], { skipCheck: true });
  for (const title of titles.slice(1)) assert.match(said[title] ?? "", /^\*\*not run\*\*: /, title);
  assert.match(
    said[base] ?? "",
    /^### Policies: nothing violated, some pending\n\nproduction: [\s\S]*staging: /,
  );
  assert.equal(comment.outcomes['npx keyplane review "$HEAD" --repository'], "success", comment.output);
});

test("a section over GitHub's bound hides no other, and a link in the catalogue is followed by nobody", async () => {
  const { said, comment } = await reviewed([{}], {
    skipCheck: true,
    links: { "catalogue/systems/more.yaml": "/etc/hosts" },
    written: {
      "staging.md": "a line of a hundred thousand\n".repeat(20_000),
      "production.md": "all of it\n",
    },
  });
  assert.match(said[staging] ?? "", /\n\n… \d{6} more characters: /);
  assert.equal(said[production], "all of it");
  assert.match(
    said[base] ?? "",
    /^\*\*violated\*\*: no regular files, so not read:\n\n- <code>catalogue\/systems\/more\.yaml<\/code>\n\n### Policies: /,
  );
  assert.equal(comment.outcomes["one comment"], "success", comment.output);
});
