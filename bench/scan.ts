import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProgress } from "../cli/progress.ts";
import { corpus, usual, writeCorpus } from "../test/operations/scan/corpus/corpus.ts";
import { Random } from "../test/operations/scan/corpus/random.ts";
import { type Score, score } from "../test/operations/scan/corpus/score.ts";
import { median, milliseconds, type Row, type Scale, timed } from "./measure.ts";
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

async function speed(
  all: readonly Scanner[],
  folder: string,
  full: boolean,
  say: Scale["say"],
): Promise<Row[]> {
  const bytes = await writeText(folder, full ? 64 : 16);
  const times = new Map(all.map(({ name }) => [name, [] as number[]]));
  const rounds = full ? 5 : 3;
  for (let round = 0; round < rounds; round++) {
    for (const { name, scan } of all) {
      // The slow ones once: their rate is known after a minute.
      if (round > 0 && median(times.get(name) ?? [0]) > 30_000) continue;
      say(`scan: ${name} on ${Math.round(bytes / 1e6)} MB`);
      times.get(name)?.push(await timed(() => scan(folder)));
    }
  }
  const [own, ...others] = all.map(({ name }) => ({ name, time: median(times.get(name) ?? []) }));
  if (own === undefined) throw new Error("there is nothing to measure");
  const rate = (time: number) => `${(bytes / 1e3 / time).toFixed(1)} MB/s`;
  return others.map(({ name, time }) => ({
    what: `${Math.round(bytes / 1e6)} MB of text: ${own.name} ÷ ${name}, by MB/s`,
    measured: `${rate(own.time)} (${milliseconds(own.time)}) ÷ ${rate(time)} (${milliseconds(time)})`,
    ratio: time / own.time,
    ...(name.startsWith("secretlint") && { goal: "≥ 20" }),
  }));
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
