import { git, parts } from "../git.ts";

/** Files as the next commit has them, where they differ from the last one. */
export async function stagedIn(root: string): Promise<{ path: string; blob: string }[]> {
  const fields = parts(
    await git(root, ["diff", "--cached", "--raw", "--no-abbrev", "--no-renames", "-z", "--diff-filter=ACMT"]),
  );
  const files: { path: string; blob: string }[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, mode = "", , blob = ""] = (fields[at] ?? "").split(" ");
    if (mode.startsWith("100")) files.push({ path: fields[at + 1] ?? "", blob });
  }
  return files;
}
