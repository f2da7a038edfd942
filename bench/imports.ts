import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { milliseconds, type Row, type Scale, sideBySide } from "./measure.ts";

/**
 * Import of the whole program beside import of the bare Pulumi SDK, each in a process of its own. Once as keyplane
 * runs, with a cache of compiled code that an earlier run filled, and once without any; the same for both sides.
 */
export async function importsOfProgram({ full }: Scale): Promise<Row[]> {
  const cache = await mkdtemp(join(tmpdir(), "keyplane-bench-"));
  const load =
    (code: string, environment: Record<string, string> = {}) =>
    () =>
      promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], {
        env: { ...process.env, NODE_COMPILE_CACHE: undefined, ...environment },
      });
  const sdk = `await import("@pulumi/pulumi")`;
  const program = `await import(${JSON.stringify(new URL("../infra/index.ts", import.meta.url).href)})`;
  const cached = { NODE_COMPILE_CACHE: cache };
  try {
    const times = await sideBySide(full ? 15 : 7, {
      sdkCached: load(sdk, cached),
      programCached: load(program, cached),
      sdk: load(sdk),
      program: load(program),
    });
    const row = (how: string, ours: number, theirs: number): Row => ({
      what: `Import of the whole program ÷ of the bare Pulumi SDK, ${how}`,
      measured: `${milliseconds(ours)} ÷ ${milliseconds(theirs)}`,
      ratio: ours / theirs,
    });
    return [
      { ...row("both from the compile cache", times.programCached, times.sdkCached), goal: "≤ 1.05" },
      row("both compiled anew", times.program, times.sdk),
    ];
  } finally {
    await rm(cache, { recursive: true });
  }
}
