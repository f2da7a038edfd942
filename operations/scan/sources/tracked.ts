import { git, parts } from "../git.ts";

/** What Git's index has, by what it is. */
export interface Tracked {
  files: { path: string; blob: string }[];
  /** Their text is a path; what it leads to is scanned where it lies. */
  links: string[];
  /** Other repositories. */
  submodules: string[];
}

/** Everything tracked in a repository. Conflicted paths stand there once. */
export async function trackedIn(root: string): Promise<Tracked> {
  const tracked: Tracked = { files: [], links: [], submodules: [] };
  const seen = new Set<string>();
  for (const entry of parts(await git(root, ["ls-files", "--stage", "-z"]))) {
    const tab = entry.indexOf("\t");
    const [mode = "", blob = ""] = entry.slice(0, tab).split(" ");
    const path = entry.slice(tab + 1);
    if (seen.has(path)) continue;
    seen.add(path);
    if (mode === "120000") tracked.links.push(path);
    else if (mode === "160000") tracked.submodules.push(path);
    else tracked.files.push({ path, blob });
  }
  return tracked;
}
