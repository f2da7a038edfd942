import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { define } from "./command.ts";
import { UsageError } from "./exit.ts";

export function command(): Command {
  return define({
    name: "post <file>",
    summary: "put a text into its one comment or issue on GitHub",
    details:
      "The file's first line is a marker such as <!-- keyplane review -->: the comment or open issue that begins with " +
      "it, written by a workflow, is updated; otherwise one is made. Needs GITHUB_TOKEN and GITHUB_REPOSITORY, which " +
      "a workflow has.",
    examples: [
      ["keyplane post comment.md --pull-request 12", "the comment of a pull request"],
      ['keyplane post drift.md --issue "Drift in staging"', "the issue with what differs"],
    ],
    configure: (post) =>
      post
        .option("--pull-request <number>", "the pull request whose comment it is")
        .option("--issue <title>", "the issue's title, where it has to be made"),
    async run({ arguments: [file = ""], options, dryRun }) {
      const { pullRequest, issue } = options;
      if ((pullRequest === undefined) === (issue === undefined)) {
        throw new UsageError("write --pull-request NUMBER or --issue TITLE: one of the two");
      }
      const { markerOf, postComment, postIssue } = await import("../operations/github/post.ts");
      const text = await readFile(file, "utf8").catch(() => {
        throw new UsageError(`${file} cannot be read: name a file with the text`);
      });
      const marker = markerOf(text);
      if (marker === undefined) {
        throw new UsageError(`${file}: its first line must be a marker such as <!-- keyplane review -->`);
      }
      const number = Number(pullRequest ?? 1);
      if (!Number.isSafeInteger(number) || number < 1) {
        throw new UsageError("--pull-request takes the number of a pull request");
      }
      const where = issue === undefined ? `pull request ${number}` : `an issue "${String(issue)}"`;
      if (dryRun)
        return { json: { marker, where }, text: `Would put ${text.length} characters into ${where}.` };
      const github = gitHubOf(process.env);
      const posted =
        issue === undefined
          ? await postComment(github, number, text)
          : await postIssue(github, String(issue), text);
      return { json: posted, text: `${posted.action}: ${posted.url}` };
    },
  });
}

function gitHubOf(env: NodeJS.ProcessEnv) {
  const { GITHUB_TOKEN: token, GITHUB_REPOSITORY: repository, GITHUB_API_URL } = env;
  if (!token || !repository || !/^[\w.-]+\/[\w.-]+$/.test(repository)) {
    throw new UsageError("GITHUB_TOKEN and GITHUB_REPOSITORY (owner/name) are needed; a workflow has both");
  }
  return { api: GITHUB_API_URL || "https://api.github.com", repository, token };
}
