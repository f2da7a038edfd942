import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Finding } from "./finding.ts";
import type { Entry, Hashes } from "./known.ts";

/** In the repository's root. */
export const baselineFile = ".keyplane-scan.json";
/** The one of detect-secrets, whose entries are honoured as well. */
export const detectSecretsFile = ".secrets.baseline";

/** What somebody has looked at and found to be no secret. */
export class Baseline {
  readonly #known: Map<string, Entry>;
  /** Of detect-secrets. */
  readonly hashes: Hashes;
  readonly #used = new Set<string>();

  constructor(known: readonly Entry[] = [], hashes: Hashes = new Map()) {
    this.#known = new Map(known.map((entry) => [keyOf(entry), entry]));
    this.hashes = hashes;
  }

  /** Both files of a repository, where they are. @throws BaselineError */
  static async read(root: string): Promise<Baseline> {
    const [own, other] = await Promise.all([
      textOf(join(root, baselineFile)),
      textOf(join(root, detectSecretsFile)),
    ]);
    if (own === undefined && other === undefined) return new Baseline();
    // What reads them is loaded where there is one.
    const { entriesIn, hashesIn } = await import("./baseline-file.ts");
    return new Baseline(
      own === undefined ? [] : entriesIn(own, baselineFile),
      other === undefined ? new Map() : hashesIn(other, detectSecretsFile),
    );
  }

  /** Asks detect-secrets' entries for a file: they hold a whole hash, so the value has to be at hand. */
  isKnown(path: string): ((value: string) => boolean) | undefined {
    const hashes = this.hashes.get(path);
    if (hashes === undefined) return undefined;
    return (value) => hashes.has(createHash("sha1").update(value, "latin1").digest("hex"));
  }

  has(finding: Finding): boolean {
    const { print } = finding;
    if (print === undefined) return false;
    const key = keyOf({ path: finding.path, kind: finding.kind.id, print });
    if (!this.#known.has(key)) return false;
    this.#used.add(key);
    return true;
  }

  /** Entries of these files that nothing needed. */
  unused(paths: ReadonlySet<string> | undefined): Entry[] {
    return [...this.#known]
      .filter(([key, { path }]) => !this.#used.has(key) && paths?.has(path) !== false)
      .map(([, entry]) => entry);
  }
}

/** Writes what was found as known: whole or not at all. @returns how many entries */
export async function writeBaseline(root: string, findings: readonly Finding[]): Promise<number> {
  const known = new Map<string, Entry>();
  for (const { path, kind, print } of findings) {
    if (print !== undefined) known.set(keyOf({ path, kind: kind.id, print }), { path, kind: kind.id, print });
  }
  const sorted = [...known].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  const lines = sorted.map((entry) => `    ${JSON.stringify(entry)}`).join(",\n");
  const file = join(root, baselineFile);
  await writeFile(
    `${file}.new`,
    `{\n  "version": 1,\n  "known": [${lines === "" ? "" : `\n${lines}\n  `}]\n}\n`,
  );
  await rename(`${file}.new`, file);
  return sorted.length;
}

function keyOf({ path, kind, print }: Entry): string {
  return `${path}\0${kind}\0${print}`;
}

/** A file's text, if it is there. */
async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
