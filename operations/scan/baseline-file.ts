import { z } from "zod";
import type { Entry, Hashes } from "./known.ts";

/** A file that is no baseline. */
export class BaselineError extends Error {
  override name = "BaselineError";
}

const own = z.strictObject({
  version: z.literal(1),
  known: z.array(
    z.strictObject({ path: z.string(), kind: z.string(), print: z.string().regex(/^[0-9a-f]{4}$/) }),
  ),
});

const detectSecrets = z.object({
  results: z.record(
    z.string(),
    z.array(z.object({ hashed_secret: z.string(), is_secret: z.boolean().optional() })),
  ),
});

/** The entries of our own baseline. @throws BaselineError */
export function entriesIn(text: string, file: string): Entry[] {
  return parsed(text, file, own, "keyplane scan --write-baseline").known;
}

/** What detect-secrets' baseline knows; what its audit calls a secret is not among it. @throws BaselineError */
export function hashesIn(text: string, file: string): Hashes {
  const { results } = parsed(text, file, detectSecrets, "detect-secrets scan");
  return new Map(
    Object.entries(results).map(([path, entries]) => [
      path,
      new Set(
        entries.filter(({ is_secret }) => is_secret !== true).map(({ hashed_secret }) => hashed_secret),
      ),
    ]),
  );
}

function parsed<Shape>(text: string, file: string, shape: z.ZodType<Shape>, writer: string): Shape {
  try {
    return shape.parse(JSON.parse(text));
  } catch (cause) {
    const [issue] = cause instanceof z.ZodError ? cause.issues : [];
    const where = issue === undefined ? "it is no JSON" : `${issue.path.join(".")}: ${issue.message}`;
    throw new BaselineError(`${file} is no baseline (${where}): write it anew with ${writer}`, { cause });
  }
}
