import { scanContent } from "../../../operations/scan/content.ts";
import type { Syntax } from "../../../operations/scan/detector.ts";
import { Random } from "./corpus/random.ts";
import { families } from "./corpus/secrets.ts";

/** The ids of what is found in a text. */
export function codes(text: string, syntax: Syntax = "plain"): string[] {
  return scanContent(Buffer.from(text), { syntax }).detections.map(({ kind }) => kind.id);
}

/** A value of a family of the corpus: made now, stored nowhere. */
export function sample(name: string, seed = 1): string {
  const family = families.find((each) => each.name === name);
  if (family === undefined) throw new Error(`the corpus has no family "${name}"`);
  return family.make(new Random(seed));
}
