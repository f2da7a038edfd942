import { git, parts, rootOf } from "./scan/git.ts";

/** The catalogue's texts in a revision, and what lies there that is none. */
export interface CatalogueTexts {
  /** By path in the catalogue's folder: "organization.yaml", "systems/titan.yaml". */
  files: Record<string, string>;
  /** Symbolic links, submodules and files over the bound: not read. */
  others: string[];
}

/** A file of a catalogue is a few kB. */
const largest = 1 << 20;

/** The commit that a revision names. @throws GitError where there is none */
export async function commitAt(repository: string, revision: string): Promise<string> {
  const args = ["rev-parse", "--verify", "--end-of-options", `${revision}^{commit}`];
  return (await git(await rootOf(repository), args)).toString("utf8").trim();
}

/**
 * The catalogue of a revision as data. It is read from Git's objects, and only regular files of it: nothing of that
 * revision is checked out, followed or run.
 * @param commit as `commitAt` gave it
 * @param folder of the catalogue, from the repository's root
 * @throws GitError
 */
export async function catalogueAt(
  repository: string,
  commit: string,
  folder: string,
): Promise<CatalogueTexts> {
  const root = await rootOf(repository);
  const listed = parts(await git(root, ["ls-tree", "-r", "-z", "-l", "--full-tree", commit, `${folder}/`]));
  const found: CatalogueTexts = { files: {}, others: [] };
  for (const line of listed) {
    const tab = line.indexOf("\t");
    const [mode = "", , blob = "", size = ""] = line.slice(0, tab).split(/ +/);
    const path = line.slice(tab + 1);
    const name = path.slice(folder.length + 1);
    if (!/^100(644|755)$/.test(mode) || Number(size) > largest) found.others.push(path);
    else if (name === "organization.yaml" || /^systems\/[^/]+\.yaml$/.test(name)) {
      found.files[name] = (await git(root, ["cat-file", "blob", blob])).toString("utf8");
    }
  }
  // A catalogue that is itself a link lies in no folder.
  if (listed.length === 0) found.others.push(folder);
  return found;
}

/** What differs between two commits, as paths from the root. @throws GitError */
export async function changedBetween(repository: string, base: string, head: string): Promise<string[]> {
  const args = ["diff", "--name-only", "--no-renames", "-z", base, head, "--"];
  return parts(await git(await rootOf(repository), args));
}
