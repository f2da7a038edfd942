import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { define, type Invocation } from "./command.ts";
import { UsageError } from "./exit.ts";

export function command(): Command {
  return define({
    name: "post [file]",
    summary: "put a text into its one comment or issue on GitHub",
    details:
      "The file's first line is a marker such as <!-- keyplane review -->: the comment or open issue that begins with " +
      "it, written by a workflow, is updated; otherwise one is made. Instead of one file, --marker and a --section each " +
      "make one text of what several steps wrote; a section whose file is not there is said to be missing. Needs " +
      "GITHUB_TOKEN and GITHUB_REPOSITORY, which a workflow has.",
    examples: [
      ["keyplane post comment.md --pull-request 12", "the comment of a pull request"],
      [
        "keyplane post --marker review --section Scan=scan.md --section Staging=staging.md --print",
        "two sections, on standard output",
      ],
      ['keyplane post drift.md --issue "Drift in staging"', "the issue with what differs"],
      [
        'keyplane post --issue "Drift in staging" --marker "drift staging" --close',
        "nothing differs any more",
      ],
    ],
    configure: (post) =>
      post
        .option("--pull-request <number>", "the pull request whose comment it is")
        .option("--issue <title>", "the issue's title, where it has to be made")
        .option("--print", "print the text and ask GitHub nothing", false)
        .option("--marker <name>", "what the comment of the sections is found again by")
        .option(
          "--section <title=file...>",
          "a section's title and its file: Markdown, or what a command printed (.txt)",
        )
        .option("--close", "with --issue and --marker: what the issue was about has ended", false),
    async run(invocation) {
      const { options, dryRun } = invocation;
      const { pullRequest, issue, print } = options;
      const places = [pullRequest !== undefined, issue !== undefined, print === true].filter(Boolean);
      if (places.length !== 1) {
        throw new UsageError("write --pull-request NUMBER, --issue TITLE or --print: one of them");
      }
      const { closeIssue, markerOf, postComment, postIssue } = await import("../operations/github/post.ts");
      if (options.close === true) {
        const closing = markerOf(`<!-- keyplane ${String(options.marker)} -->\n`);
        const isMore = invocation.arguments.length > 0 || options.section !== undefined;
        if (issue === undefined || options.marker === undefined || closing === undefined || isMore) {
          throw new UsageError("--close takes --issue TITLE and --marker NAME, and no text");
        }
        if (dryRun) return { json: { marker: closing }, text: "Would close the issue, where one is open." };
        const closed = await closeIssue(gitHubOf(process.env), closing);
        return {
          json: closed,
          text: closed.url === undefined ? "no issue is open" : `closed: ${closed.url}`,
        };
      }
      const text = await textOf(invocation);
      const marker = markerOf(text);
      if (marker === undefined) {
        throw new UsageError(
          `${invocation.arguments[0] ?? "--marker"}: the first line must be a marker such as <!-- keyplane review -->`,
        );
      }
      const number = Number(pullRequest ?? 1);
      if (!Number.isSafeInteger(number) || number < 1) {
        throw new UsageError("--pull-request takes the number of a pull request");
      }
      if (print === true) return { json: { marker, text }, text: text.trimEnd() };
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

/** The file's text, or that of the sections. */
async function textOf({ arguments: [file], options }: Invocation): Promise<string> {
  const { section, marker } = options;
  if (
    (file === undefined) === (section === undefined) ||
    (section === undefined) !== (marker === undefined)
  ) {
    throw new UsageError("name a file, or --marker NAME and a --section TITLE=FILE each");
  }
  if (file !== undefined) {
    return readFile(file, "utf8").catch(() => {
      throw new UsageError(`${file} cannot be read: name a file with the text`);
    });
  }
  const [{ composed }, { longest }] = await Promise.all([
    import("../operations/github/sections.ts"),
    import("../operations/github/post.ts"),
  ]);
  const sections = (section as string[]).map(async (each) => {
    const [, title, from] = /^([^=\n]+)=(.+)$/.exec(each) ?? [];
    if (title === undefined || from === undefined) throw new UsageError("--section takes TITLE=FILE");
    const text = await readFile(from, "utf8").catch(() => undefined);
    return { title, text: from.endsWith(".txt") ? text?.replace(/^/gm, "    ") : text };
  });
  return composed(`<!-- keyplane ${String(marker)} -->`, await Promise.all(sections), longest);
}

function gitHubOf(env: NodeJS.ProcessEnv) {
  const { GITHUB_TOKEN: token, GITHUB_REPOSITORY: repository, GITHUB_API_URL } = env;
  if (!token || !repository || !/^[\w.-]+\/[\w.-]+$/.test(repository)) {
    throw new UsageError("GITHUB_TOKEN and GITHUB_REPOSITORY (owner/name) are needed; a workflow has both");
  }
  return { api: GITHUB_API_URL || "https://api.github.com", repository, token };
}
