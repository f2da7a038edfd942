import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { milliseconds, type Row, type Scale, sideBySide } from "./measure.ts";

/**
 * Import of everything that `infra/main.ts` loads beside import of the bare Pulumi SDK, each in a process of its own: as
 * `keyplane` loads it, as Pulumi's own CLI does, which has loaded the SDK whole before, and without a cache of compiled
 * code.
 */
export async function importsOfProgram({ full }: Scale): Promise<Row[]> {
  const cache = await mkdtemp(join(tmpdir(), "keyplane-bench-"));
  const load =
    (code: string, environment: Record<string, string> = {}) =>
    () =>
      promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], {
        env: { ...process.env, NODE_COMPILE_CACHE: undefined, ...environment },
      });
  const from = (file: string) =>
    `await import(${JSON.stringify(new URL(`../${file}`, import.meta.url).href)})`;
  const sdk = `await import("@pulumi/pulumi")`;
  const parts = [
    "infra/index",
    "infra/lambda-code",
    "infra/part",
    "infra/settings",
    "model/catalogue",
    "model/derive",
  ];
  const program = parts.map((part) => from(`${part}.ts`)).join(";");
  const lazily = `(${from("local/lazy-sdk.ts")}).loadSdkLazily();${program}`;
  const cached = { NODE_COMPILE_CACHE: cache };
  try {
    const times = await sideBySide(full ? 15 : 7, {
      sdkCached: load(sdk, cached),
      lazilyCached: load(lazily, cached),
      programCached: load(`${sdk};${program}`, cached),
      sdk: load(sdk),
      program: load(`${sdk};${program}`),
    });
    const row = (how: string, ours: number, theirs: number): Row => ({
      what: `Import of the whole program, with what reads the catalogue, ÷ of the bare Pulumi SDK: ${how}`,
      measured: `${milliseconds(ours)} ÷ ${milliseconds(theirs)}`,
      ratio: ours / theirs,
    });
    return [
      {
        ...row("as `keyplane` loads it, both from the compile cache", times.lazilyCached, times.sdkCached),
        goal: "≤ 1.05",
      },
      {
        ...row("as Pulumi's CLI loads it, both from the compile cache", times.programCached, times.sdkCached),
        goal: "≤ 1.05",
      },
      row("the same, both compiled anew", times.program, times.sdk),
    ];
  } finally {
    await rm(cache, { recursive: true });
  }
}
