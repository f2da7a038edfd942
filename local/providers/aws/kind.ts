import type { Field, Properties, Value } from "../fields.ts";
import { text } from "../fields.ts";
import { kindFor } from "../kind.ts";
import type { Aws } from "./clients.ts";

/** A resource type of AWS. */
export const kind = kindFor<Aws>();

/** What AWS calls something that is not there, in its many ways. */
const missing =
  /NotFound|NoSuch|NotExist|^ResourceNotFoundException$|^NoSuchEntityException$|^TrailNotFoundException$/;
const there =
  /AlreadyExists|EntityAlreadyExists|BucketAlreadyOwnedByYou|ResourceConflictException|ConflictException/;

/** What `ask` answers; undefined where AWS says that there is no such thing. */
export async function found<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isNamed(error, missing)) return undefined;
    throw error;
  }
}

/** Makes something; true where it is there already: an earlier run may not have lived to write it down. */
export async function isThere(make: () => Promise<unknown>): Promise<boolean> {
  try {
    await make();
    return false;
  } catch (error) {
    if (isNamed(error, there)) return true;
    throw error;
  }
}

function isNamed(error: unknown, pattern: RegExp): boolean {
  return error instanceof Error && pattern.test(error.name);
}

/** A policy document, in which neither the order of keys nor spaces are a difference. */
export const policy = (options: { replace?: true; required?: true; writeOnly?: true } = {}): Field =>
  text({ ...options, normal: sortedJson });

/** JSON with the keys of every object in order; what is no JSON stays as it is. */
export function sortedJson(document: string): string {
  try {
    return JSON.stringify(sorted(JSON.parse(document)));
  } catch {
    return document;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

/** A text that may be declared. */
export function optional(inputs: Properties, name: string): string | undefined {
  const value = inputs[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function count(inputs: Properties, name: string): number | undefined {
  const value = inputs[name];
  return typeof value === "number" ? value : undefined;
}

export function strings(value: Value | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** The properties of a block; empty where it is not declared. */
export function within(value: Value | undefined): Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

/** Without what is undefined, so that it can travel. */
export function known(properties: { [name: string]: Value | undefined }): Properties {
  return Object.fromEntries(
    Object.entries(properties).filter((entry): entry is [string, Value] => entry[1] !== undefined),
  );
}
