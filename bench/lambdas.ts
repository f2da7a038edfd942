import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { bundle, bundleLambda, lambdaNames } from "../lambdas/bundle.ts";
import { loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import { shippings } from "../model/shipping.ts";
import { peakToMean, simulate, used } from "../test/operations/rotation/simulated-fleet.ts";
import { median, milliseconds, type Row, type Scale } from "./measure.ts";

/** What the rotation Lambdas weigh, how long they take to load, and how fast Secrets Manager lets a fleet rotate. */
export async function lambdas(scale: Scale): Promise<Row[]> {
  return [...(await codeOfFunctions(scale)), ...(await fleetInSecretsManager(scale))];
}

async function codeOfFunctions({ full }: Scale): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-bench-"));
  try {
    const shipped = shippings(derive(await loadCatalogue("catalogue"), "production"));
    const rows: Row[] = [];
    const files: Record<string, string> = {};
    for (const name of lambdaNames) {
      const { folder: at, bytes } = await bundleLambda(name, folder, shipped[name]);
      files[name] = join(at, "index.mjs");
      rows.push({
        what: `Code of ${name}, one file: its bytes ÷ 400,000`,
        measured: `${bytes.toLocaleString("en")} bytes`,
        ratio: bytes / 400_000,
        goal: "≤ 1.0",
      });
    }
    for (const name of ["lambda-minimum", ...lambdaNames.map((name) => `lambda-whole/${name}`)]) {
      files[name] = join(folder, `${basename(name)}.mjs`);
      const made = (await bundle(`bench/${name}.ts`)).files.find(({ path }) => path.endsWith(".mjs"));
      await writeFile(files[name], made?.contents ?? "");
    }
    const times = await importTimes(files, full ? 41 : 15);
    const beside = (name: string, what: string): Row => {
      const [ours = 0, theirs = 0] = [times[name], times["lambda-minimum"]];
      return { what, measured: `${milliseconds(ours)} ÷ ${milliseconds(theirs)}`, ratio: ours / theirs };
    };
    for (const name of lambdaNames) {
      const what = `Cold import of ${name} ÷ of a hand-written minimum, each in a process of its own`;
      rows.push(
        { ...beside(name, what), goal: "≤ 1.1" },
        beside(
          `lambda-whole/${name}`,
          "The same, with what its first call loads while it waits for an answer",
        ),
      );
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Medians of what an import takes, in turns; the start of the process is not in them. */
async function importTimes(files: Record<string, string>, rounds: number): Promise<Record<string, number>> {
  const code = (file: string) =>
    `const start = performance.now(); await import(${JSON.stringify(file)}); console.log(performance.now() - start)`;
  const times = Object.fromEntries(Object.keys(files).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, file] of Object.entries(files)) {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--input-type=module", "--eval", code(file)],
        { env: { ...process.env, NODE_COMPILE_CACHE: undefined } },
      );
      if (round > 0) times[name]?.push(Number(stdout));
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

/**
 * PutSecretValue, UpdateSecretVersionStage and some others that change versions: 50 a second together, for an account in a
 * region, and not adjustable. A rotation makes one value and moves two labels. What it reads (13 calls) has a bound 200
 * times as high. https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
 */
const rate = { calls: 50, interval: 1, perRotation: 3 };

async function fleetInSecretsManager(scale: Scale): Promise<Row[]> {
  const rows: Row[] = [];
  for (const secrets of [10_000, 90_000]) {
    const many = secrets.toLocaleString("en");
    scale.say(`${many} secrets due at one moment in Secrets Manager …`);
    const { providers, longestWait } = await simulate({
      secrets,
      services: secrets,
      spread: 0,
      // As fast as the bound would let them all begin.
      within: (secrets * rate.perRotation) / rate.calls,
      providers: 1,
      rate,
      concurrent: { perService: 1, total: 2_000 },
    });
    const [provider] = providers;
    if (provider === undefined) throw new Error("the simulation has no provider");
    const calls = provider.times.length.toLocaleString("en");
    rows.push(
      {
        what: `${many} due at once in Secrets Manager (simulated clock): rate of changing calls ÷ its bound of 50 a second`,
        measured: `${provider.throttled} of ${calls} calls throttled; the last began after ${Math.round(longestWait / 60_000)} min`,
        ratio: used(provider, rate),
        goal: "≥ 0.6",
      },
      {
        what: "The same: calls in the busiest minute ÷ mean",
        measured: `${calls} calls`,
        ratio: peakToMean(provider.times, 60_000),
        goal: "≤ 1.2",
      },
    );
  }
  return rows;
}
