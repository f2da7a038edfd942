import { beginsWord, type Detector, endOf, type Kind, type Match } from "../detector.ts";
import { isPlaceholder } from "../placeholder.ts";
import { entropy, isRegular } from "../randomness.ts";

/** A token that its issuer gave a form of its own: a fixed beginning, then random characters. */
export interface Format {
  kind: Kind;
  prefixes: readonly string[];
  /** What follows the prefix: classes with fixed or bounded counts, which cannot backtrack. */
  body: RegExp;
  /** Least bits per character of the body. */
  entropy?: number;
}

/** The detector of a token by its form alone, whatever stands around it. */
export function detectorOf(format: Format): Detector {
  const { kind, prefixes } = format;
  const body = new RegExp(format.body.source, `y${format.body.flags}`);
  const least = format.entropy ?? 2.8;
  return {
    kind,
    anchors: prefixes,
    find(text, at): Match | undefined {
      if (!beginsWord(text, at)) return undefined;
      const prefix = prefixes.find((each) => text.startsWith(each, at));
      if (prefix === undefined) return undefined;
      const end = endOf(body, text, at + prefix.length);
      if (end < 0 || goesOn(text, end)) return undefined;
      const random = text.slice(at + prefix.length, end);
      if (entropy(random) < least || isRegular(random) || isPlaceholder(random)) return undefined;
      return { start: at, end };
    },
  };
}

/** A longer word is another format, or none. A sentence's full stop ends it, a domain's does not matter here. */
function goesOn(text: string, at: number): boolean {
  return at < text.length && /[A-Za-z0-9_]/.test(text[at] as string);
}
