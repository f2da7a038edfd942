import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Finding } from "./finding.ts";

/** In the repository's root. */
export const baselineFile = ".keyplane-scan.json";
/** The one of detect-secrets, whose entries are honoured as well. */
export const detectSecretsFile = ".secrets.baseline";

/** A file that is no baseline. */
export class BaselineError extends Error {
  override name = "BaselineError";
}

const schema = z.strictObject({
  version: z.literal(1),
  known: z.array(
    z.strictObject({ path: z.string(), kind: z.string(), print: z.string().regex(/^[0-9a-f]{4}$/) }),
  ),
});

const detectSecretsSchema = z.object({
  results: z.record(
    z.string(),
    z.array(z.object({ hashed_secret: z.string(), is_secret: z.boolean().optional() })),
  ),
});

type Entry = z.infer<typeof schema>["known"][number];

/** What somebody has looked at and found to be no secret. */
export class Baseline {
  readonly #known: Map<string, Entry>;
  readonly #hashes: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #used = new Set<string>();

  constructor(known: readonly Entry[] = [], hashes: ReadonlyMap<string, ReadonlySet<string>> = new Map()) {
    this.#known = new Map(known.map((entry) => [keyOf(entry), entry]));
    this.#hashes = hashes;
  }

  /** Both files of a repository, where they are. @throws BaselineError */
  static async read(root: string): Promise<Baseline> {
    const own = await parsed(join(root, baselineFile), schema);
    const other = await parsed(join(root, detectSecretsFile), detectSecretsSchema);
    return new Baseline(
      own?.known,
      new Map(
        Object.entries(other?.results ?? {}).map(([path, entries]) => [
          path,
          // An audit that said "this is one" allows nothing.
          new Set(
            entries.filter(({ is_secret }) => is_secret !== true).map(({ hashed_secret }) => hashed_secret),
          ),
        ]),
      ),
    );
  }

  /** Asks detect-secrets' entries for a file: they hold a whole hash, so the value has to be at hand. */
  isKnown(path: string): ((value: string) => boolean) | undefined {
    const hashes = this.#hashes.get(path);
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

async function parsed<Shape>(file: string, shape: z.ZodType<Shape>): Promise<Shape | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return shape.parse(JSON.parse(text));
  } catch (cause) {
    const [issue] = cause instanceof z.ZodError ? cause.issues : [];
    const where = issue === undefined ? "it is no JSON" : `${issue.path.join(".")}: ${issue.message}`;
    throw new BaselineError(
      `${file} is no baseline (${where}): write it anew with keyplane scan --write-baseline`,
      { cause },
    );
  }
}
