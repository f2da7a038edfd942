import { createInterface } from "node:readline";
import { ended, gitStream } from "../git.ts";

/** A content that some commit brought, once: by the oldest commit that has it. */
export interface Introduced {
  blob: string;
  path: string;
  commit: string;
}

/** A commit's own message, which is published with it. */
export interface Message {
  commit: string;
  text: string;
}

/** Which part of the history. */
export interface Wanted {
  /** Revisions whose history is known already. */
  since?: readonly string[];
  /** The revision whose history it is; without one, that of every ref. */
  at?: string;
}

/**
 * Every content that the refs reach, each once, and every message. Merges are compared with each parent, so that what
 * was written while merging is seen as well.
 * @throws GitError for a revision that is not there
 */
export async function historyOf(
  root: string,
  { since = [], at }: Wanted = {},
): Promise<{ contents: Introduced[]; messages: Message[] }> {
  const args = [
    "log",
    ...(at === undefined ? ["--all"] : []),
    "--raw",
    "-m",
    "--root",
    "--no-abbrev",
    "--no-renames",
    "--format=commit %H%n%B%x00",
    "--reverse",
    "--end-of-options",
    ...(at === undefined ? [] : [at]),
    ...since.map((revision) => `^${revision}`),
  ];
  const child = gitStream(root, args);
  child.stdin.end();
  const end = ended(child, args);
  end.catch(() => {});
  const contents = new Map<string, Introduced>();
  const messages = new Map<string, string[]>();
  let commit = "";
  let inMessage = false;
  for await (const line of createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY })) {
    const [, hash] = inMessage ? [] : (/^commit ([0-9a-f]{40,64})$/.exec(line) ?? []);
    if (hash !== undefined) {
      commit = hash;
      inMessage = true;
      messages.set(commit, []);
    } else if (inMessage) {
      const zero = line.indexOf("\0");
      messages.get(commit)?.push(zero < 0 ? line : line.slice(0, zero));
      inMessage = zero < 0;
    } else if (line.startsWith(":")) {
      const tab = line.indexOf("\t");
      const [, mode = "", , blob = ""] = line.slice(0, tab).split(" ");
      if (mode.startsWith("100") && !contents.has(blob))
        contents.set(blob, { blob, path: unquoted(line.slice(tab + 1)), commit });
    }
  }
  await end;
  return {
    contents: [...contents.values()],
    messages: [...messages].map(([each, lines]) => ({ commit: each, text: lines.join("\n") })),
  };
}

/** Git puts a name with control characters or quotes into quotes. */
function unquoted(path: string): string {
  if (!path.startsWith('"')) return path;
  try {
    return JSON.parse(
      path.replace(
        /\\([0-7]{3})/g,
        (_, octal: string) => `\\u00${Number.parseInt(octal, 8).toString(16).padStart(2, "0")}`,
      ),
    ) as string;
  } catch {
    return path;
  }
}
