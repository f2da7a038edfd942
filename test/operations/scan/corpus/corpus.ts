import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type LookAlike, lookAlikes } from "./look-alikes.ts";
import { barePlaces, namedPlaces, pickForm, written } from "./places.ts";
import { Random, words } from "./random.ts";
import { type Family, families, keys } from "./secrets.ts";
import { statements } from "./statements.ts";

/** One value that was planted: a finding on any of its lines finds it. */
export interface Planted {
  family: string;
  /** `named`: beside a secret's name; `bare`: only its form tells; `statement`: as a tool has it written. */
  place: "named" | "bare" | "statement";
  path: string;
  /** From 1. */
  first: number;
  last: number;
  value: string;
}

export interface Corpus {
  files: ReadonlyMap<string, string>;
  planted: readonly Planted[];
  /** How many look-alikes of each kind, and the lines that hold one: a finding there is false. */
  lookAlikes: ReadonlyMap<string, number>;
}

export interface Size {
  /** Of each family, beside a name; and as many where only the form tells, for families that have one. */
  secrets: number;
  /** Of each kind. */
  lookAlikes: number;
}

/** At least 300 values and 3,000 look-alikes. */
export const usual: Size = { secrets: 3, lookAlikes: 45 };

/** A piece of a file that is being put together. */
interface Piece {
  folder: string;
  file: string;
  text: string;
  planted?: Omit<Planted, "path" | "first" | "last">;
}

/** A repository that never was: the same for the same seed. Lines of prose and code stand between what is planted. */
export function corpus(seed: number, size: Size = usual): Corpus {
  const random = new Random(seed);
  const folders = Array.from(
    { length: 12 },
    () => `${random.pick(["services", "apps", "ops"])}/${random.pick(words)}`,
  );
  const folder = () => random.pick(folders);
  const pieces: Piece[] = [];
  for (const family of families) {
    for (let at = 0; at < size.secrets; at++) {
      pieces.push({ folder: folder(), ...beside(random, family) });
      if (family.formed) pieces.push({ folder: folder(), ...bare(random, family) });
    }
  }
  for (const key of keys) {
    for (let at = 0; at < size.secrets; at++) {
      const text = key.make(random).join("\n");
      const file = `${random.pick(words)}-${at}.conf`;
      pieces.push({
        folder: folder(),
        file,
        text,
        planted: { family: key.name, place: "bare", value: text },
      });
    }
  }
  for (const { name, file, make } of statements) {
    for (let at = 0; at < size.secrets; at++) {
      const { text, value } = make(random);
      pieces.push({ folder: folder(), file, text, planted: { family: name, place: "statement", value } });
    }
  }
  const counts = new Map<string, number>();
  for (const lookAlike of lookAlikes) {
    counts.set(lookAlike.name, (counts.get(lookAlike.name) ?? 0) + size.lookAlikes);
    for (let at = 0; at < size.lookAlikes; at++)
      pieces.push({ folder: folder(), ...like(random, lookAlike) });
  }
  return { ...together(random, pieces), lookAlikes: counts };
}

function beside(random: Random, family: Family): Omit<Piece, "folder"> {
  const value = family.make(random);
  const { file, form } = pickForm(random, namedPlaces);
  const text = written(form, random.pick(family.names), value);
  return { file, text, planted: { family: family.name, place: "named", value } };
}

function bare(random: Random, family: Family): Omit<Piece, "folder"> {
  const value = family.make(random);
  const { file, form } = pickForm(random, barePlaces);
  return { file, text: written(form, "", value), planted: { family: family.name, place: "bare", value } };
}

function like(random: Random, { file, make }: LookAlike): Omit<Piece, "folder"> {
  return { file, text: make(random) };
}

/** Puts pieces of one name in one folder into one file, in an order of chance. */
function together(random: Random, pieces: readonly Piece[]): Pick<Corpus, "files" | "planted"> {
  const planted: Planted[] = [];
  const lines = new Map<string, string[]>();
  for (const piece of random.shuffled(pieces)) {
    const path = `${piece.folder}/${piece.file}`;
    const file = lines.get(path) ?? [];
    lines.set(path, file);
    const first = file.length + 1;
    file.push(...piece.text.split("\n"));
    if (piece.planted !== undefined) planted.push({ ...piece.planted, path, first, last: file.length });
    if (random.int(3) === 0) file.push("");
  }
  const files = new Map([...lines].map(([path, text]) => [path, `${text.join("\n")}\n`]));
  return { files, planted };
}

/** Writes a corpus into a folder. */
export async function writeCorpus(folder: string, { files }: Corpus): Promise<void> {
  for (const [path, text] of files) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}
