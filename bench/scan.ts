import { copyFile, glob, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProgress } from "../cli/progress.ts";
import { corpus, usual, writeCorpus } from "../test/operations/scan/corpus/corpus.ts";
import { Random } from "../test/operations/scan/corpus/random.ts";
import { type Score, score } from "../test/operations/scan/corpus/score.ts";
import { milliseconds, type Row, type Scale, sideBySide } from "./measure.ts";
import { type Scanner, scanners } from "./scanners/run.ts";

/** Never used while detectors were written: theirs are 1 to 40. */
const heldOut = 20_261_128;

/**
 * Keyplane's scan beside others, each as its own command: what it finds in a generated corpus that no detector was
 * tried on, and how many megabytes a second of source text it reads.
 */
export async function scans({ full, say }: Scale): Promise<Row[]> {
  const progress = startProgress(process.stderr);
  const all = await scanners(progress.report);
  progress.end();
  const folder = await mkdtemp(join(tmpdir(), "keyplane-bench-scan-"));
  try {
    return [
      ...(await quality(all, join(folder, "corpus"), say)),
      ...(await speed(all, join(folder, "text"), full, say)),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function quality(all: readonly Scanner[], folder: string, say: Scale["say"]): Promise<Row[]> {
  const made = corpus(heldOut);
  await writeCorpus(folder, made);
  const rows: Row[] = [];
  for (const { name, scan } of all) {
    say(`scan: ${name} on the corpus`);
    const reported = await scan(folder);
    const whole = score(made, reported);
    const of = (place: string) => percent(score(made, reported, (one) => one.place === place).recall);
    rows.push({
      what: name,
      measured: `recall ${percent(whole.recall)}, precision ${percent(whole.precision)} (${whole.found} of ${whole.planted} found, ${whole.false} false lines); by form alone ${of("bare")}, beside a name ${of("named")}, in statements ${of("statement")}`,
    });
    say(`  missed: ${missedOf(whole)}`);
  }
  return rows;
}

/** Which families, and how many of each. */
function missedOf({ missed }: Score): string {
  const counts = Map.groupBy(missed, ({ family }) => family);
  return [...counts].map(([family, list]) => `${family} ${list.length}`).join(", ") || "nothing";
}

/** Megabytes a second of our command beside the others', on text that is dense in what looks like secrets, and on code. */
async function speed(
  all: readonly Scanner[],
  folder: string,
  full: boolean,
  say: Scale["say"],
): Promise<Row[]> {
  const [own, secretlint, detectSecrets, gitleaks] = all;
  if (own === undefined || secretlint === undefined || detectSecrets === undefined || gitleaks === undefined)
    throw new Error("a scanner is missing");
  const [few, many, code] = [join(folder, "few"), join(folder, "many"), join(folder, "code")];
  const sizes = {
    few: await writeText(few, 1),
    many: await writeText(many, full ? 64 : 16),
    code: await copyCode(code, full ? 300 : 100),
  };
  const rows: Row[] = [];
  const compare = async (what: string, place: string, bytes: number, others: Scanner[], rounds: number) => {
    say(`scan: ${what}, ${megabytes(bytes)}`);
    const names = [own, ...others];
    const times = await sideBySide(
      rounds,
      Object.fromEntries(names.map(({ name, scan }) => [name, () => scan(place)])),
    );
    const time = times[own.name] ?? 0;
    for (const { name } of others) {
      const other = times[name] ?? 0;
      rows.push({
        what: `${what}, ${megabytes(bytes)}: ${own.name} ÷ ${name}, by MB/s`,
        measured: `${rate(bytes, time)} (${milliseconds(time)}) ÷ ${rate(bytes, other)} (${milliseconds(other)})`,
        ratio: other / time,
        ...(name === secretlint.name && { goal: "≥ 20" }),
      });
    }
  };
  await compare("A generated repository", few, sizes.few, [secretlint, detectSecrets, gitleaks], 1);
  await compare("Generated repositories", many, sizes.many, [secretlint], 3);
  await compare("Code of installed packages", code, sizes.code, [secretlint], 3);
  return rows;
}

function rate(bytes: number, time: number): string {
  return `${(bytes / 1e3 / time).toFixed(1)} MB/s`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/** Text files of the packages that are installed here, in order of name, up to so many megabytes. */
async function copyCode(folder: string, megabytes: number): Promise<number> {
  let bytes = 0;
  for await (const path of glob("node_modules/**/*.{js,ts,mts,cjs,mjs,json,md,map,yaml}")) {
    if (bytes >= megabytes * 1e6) break;
    const { size } = await stat(path);
    await mkdir(join(folder, path.replaceAll("node_modules", "packages"), ".."), { recursive: true });
    await copyFile(path, join(folder, path.replaceAll("node_modules", "packages")));
    bytes += size;
  }
  return bytes;
}

/** Many generated repositories in one folder, so many megabytes of them. */
async function writeText(folder: string, megabytes: number): Promise<number> {
  let bytes = 0;
  for (let seed = 1; bytes < megabytes * 1e6; seed++) {
    const { files } = corpus(heldOut + seed, { secrets: 1, lookAlikes: usual.lookAlikes });
    const random = new Random(seed);
    for (const [path, text] of files) {
      const file = join(folder, `repository-${seed}`, path);
      await mkdir(join(file, ".."), { recursive: true });
      const padded = `${text}${prose(random, 60)}`;
      await writeFile(file, padded);
      bytes += Buffer.byteLength(padded);
    }
  }
  return bytes;
}

/** Lines in which nothing is meant to be found, as most lines are. */
function prose(random: Random, lines: number): string {
  let text = "";
  for (let line = 0; line < lines; line++) {
    text += `${random.pick(["  return", "# The", "const", "- ", "    if"])} ${random.text("etaoinshrdlu    ", 60)};\n`;
  }
  return text;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
