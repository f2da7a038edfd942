import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { LambdaName } from "../model/aws.ts";
import type { Model } from "../model/model.ts";
import { type Shipping, shippings } from "../model/shipping.ts";

const root = resolve(import.meta.dirname, "..");

/** Where a function's bundle lies below the folder of all of them. */
export function lambdaCode(folder: string): Record<LambdaName, string> {
  return { "rotate-due": join(folder, "rotate-due"), "rotate-postgres": join(folder, "rotate-postgres") };
}

/** Where it says what a function's bundle was made of: not beside the code, of which it is no part. */
export function sourcesFile(code: string): string {
  return join(dirname(code), "maps", `${basename(code)}.sources.json`);
}

/** The SHA-256 of each source, by its path in the repository; null for one that is not there. */
export function sourcesOf(paths: readonly string[]): Record<string, string | null> {
  const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
  return Object.fromEntries(
    paths.map((path) => [path, existsSync(join(root, path)) ? digest(join(root, path)) : null]),
  );
}

/**
 * @param catalogue the folder that the model is of
 * @throws where a bundle is not there, or was made before the catalogue or the code became what they are, with the
 * command that makes it
 */
export function requireBundles(code: Record<LambdaName, string>, model: Model, catalogue: string): void {
  const other = relative(root, catalogue);
  const command = `npx keyplane bundle --environment ${model.environment}${other === "catalogue" ? "" : ` --catalogue ${catalogue}`}`;
  const now = shippings(model);
  for (const [name, folder] of Object.entries(code) as [LambdaName, string][]) {
    const why = whyNone(folder) ?? whyOfAnother(folder, now[name]) ?? whyOld(folder);
    if (why !== undefined) throw new Error(`${folder} ${why}: ${command} makes it`);
  }
}

/** Whether a function's bundle is there, and was made of what its sources are today. */
export function isOfItsSources(folder: string): boolean {
  return whyNone(folder) === undefined && whyOld(folder) === undefined;
}

function whyNone(folder: string): string | undefined {
  return existsSync(join(folder, "index.mjs")) ? undefined : "holds no code of a function";
}

/** A function carries what it reads of the catalogue. */
function whyOfAnother(folder: string, { model }: Shipping): string | undefined {
  const carried = readJson<Shipping>(join(folder, "model.json"))?.model;
  if (carried === undefined) return "holds no model to rotate by";
  if (carried.environment !== model.environment) return `is the function of ${carried.environment}`;
  return JSON.stringify(carried) === JSON.stringify(model)
    ? undefined
    : "is older than the catalogue, which says something else of rotations by now";
}

function whyOld(folder: string): string | undefined {
  const then = readJson<Record<string, string>>(sourcesFile(folder));
  if (then === undefined) return "does not say what it was made of";
  const now = sourcesOf(Object.keys(then));
  const changed = Object.keys(then).find((path) => then[path] !== now[path]);
  return changed === undefined ? undefined : `was made of another ${changed}`;
}

/** Undefined where it is not there, or is damaged: both are made anew. */
function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch {
    return undefined;
  }
}
