import { z } from "zod";
import { ask, type GitHub, listAll } from "./api.ts";

/** What became of a text that is to stand in one place. */
export interface Posted {
  action: "created" | "updated" | "unchanged" | "closed";
  /** None where nothing was there to be closed. */
  url?: string;
}

/** A comment or an issue, as far as it is used. */
const Entry = z.object({
  id: z.number(),
  number: z.number().optional(),
  body: z.string().nullish(),
  html_url: z.string(),
  user: z.object({ type: z.string() }).nullish(),
  pull_request: z.unknown().optional(),
});
type Entry = z.infer<typeof Entry>;

/** GitHub takes no longer body, in characters. */
export const longest = 65_536;

/**
 * The hidden first line by which a text is found again, such as `<!-- keyplane review -->`.
 * @returns undefined for a text without one
 */
export function markerOf(text: string): string | undefined {
  return /^<!-- keyplane [a-z0-9 ._-]{1,80} -->(?=\n)/.exec(text)?.[0];
}

/** Puts a text into the one comment of a pull request that begins with its marker. */
export async function postComment(github: GitHub, pullRequest: number, text: string): Promise<Posted> {
  const comments = `/repos/${github.repository}/issues/${pullRequest}/comments`;
  const found = ours(await listAll(github, comments), text);
  if (found === undefined) {
    const made = Entry.parse(await ask(github, "POST", comments, { body: cut(text) }));
    return { action: "created", url: made.html_url };
  }
  return update(github, found, `/repos/${github.repository}/issues/comments/${found.id}`, text);
}

/** Puts a text into the one open issue that begins with its marker. */
export async function postIssue(github: GitHub, title: string, text: string): Promise<Posted> {
  const issues = `/repos/${github.repository}/issues`;
  const open = await listAll(github, `${issues}?state=open`);
  const found = ours(open, text);
  if (found === undefined) {
    const made = Entry.parse(await ask(github, "POST", issues, { title, body: cut(text) }));
    return { action: "created", url: made.html_url };
  }
  return update(github, found, `${issues}/${found.number}`, text);
}

/** Closes the open issue that begins with a marker: what it was about has ended. */
export async function closeIssue(github: GitHub, marker: string): Promise<Posted> {
  const issues = `/repos/${github.repository}/issues`;
  const found = ours(await listAll(github, `${issues}?state=open`), `${marker}\n`);
  if (found === undefined) return { action: "unchanged" };
  await ask(github, "PATCH", `${issues}/${found.number}`, { state: "closed", state_reason: "completed" });
  return { action: "closed", url: found.html_url };
}

async function update(github: GitHub, found: Entry, path: string, text: string): Promise<Posted> {
  const body = cut(text);
  if (found.body?.replaceAll("\r\n", "\n") === body) return { action: "unchanged", url: found.html_url };
  await ask(github, "PATCH", path, { body });
  return { action: "updated", url: found.html_url };
}

/** The first that has the marker and was written by a workflow: people may quote one, and theirs is not touched. */
function ours(entries: readonly unknown[], text: string): Entry | undefined {
  const marker = markerOf(text);
  return entries
    .map((entry) => Entry.parse(entry))
    .find(
      ({ body, user, pull_request }) =>
        marker !== undefined &&
        pull_request === undefined &&
        user?.type === "Bot" &&
        (body?.startsWith(marker) ?? false),
    );
}

function cut(text: string): string {
  const note = "\n\n… the rest is in the run's summary.\n";
  return text.length <= longest ? text : text.slice(0, longest - note.length) + note;
}
