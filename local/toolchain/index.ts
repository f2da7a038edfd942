import { join } from "node:path";
import { cacheHome } from "../cache-home.ts";
import type { Report } from "../progress.ts";
import { platformOf } from "./package.ts";
import { pins, type ToolName } from "./pins.ts";
import { allWays, Toolchain, ToolchainError, type Way } from "./toolchain.ts";

export { ToolchainError } from "./toolchain.ts";
export type { ToolName };

let ofProcess: Toolchain<ToolName> | undefined;

/**
 * Absolute path of the pinned tool: the right version on PATH, else from the cache, else the official download
 * verified by its SHA-256, else a build from Go modules pinned by go.sum (minutes). Found once per process.
 * Throws ToolchainError with the three ways to get it.
 *
 * KEYPLANE_TOOLCHAIN narrows the ways: `path`, `download`, `build`, or several with commas.
 */
export async function findTool(name: ToolName, report: Report): Promise<string> {
  return await toolchain().find(name, report);
}

/** Finds several tools, one after another; see findTool. */
export async function ensureTools<Wanted extends ToolName>(
  names: readonly Wanted[],
  report: Report,
): Promise<Record<Wanted, string>> {
  return await toolchain().ensure(names, report);
}

function toolchain(): Toolchain<ToolName> {
  ofProcess ??= new Toolchain({
    packages: pins,
    cache: join(cacheHome(process.env), "toolchain"),
    platform: platformOf(process.platform, process.arch),
    environment: process.env,
    ways: waysOf(process.env.KEYPLANE_TOOLCHAIN),
  });
  return ofProcess;
}

/** The ways that KEYPLANE_TOOLCHAIN names; all of them when it is unset or empty. Throws ToolchainError. */
export function waysOf(setting: string | undefined): readonly Way[] {
  if (setting === undefined || setting === "") return allWays;
  const ways = setting.split(",").map((way) => way.trim());
  const known = allWays.filter((way) => ways.includes(way));
  if (known.length !== ways.length)
    throw new ToolchainError(
      `KEYPLANE_TOOLCHAIN is ${JSON.stringify(setting)}: write one or more of ${allWays.join(", ")}, with commas`,
    );
  return known;
}
