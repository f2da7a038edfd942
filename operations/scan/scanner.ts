import { allowsNext, allowsSame } from "./allowed.ts";
import { Anchors } from "./anchors.ts";
import { type Detector, type Match, reach, type Syntax } from "./detector.ts";
import { detectors as all } from "./detectors/index.ts";
import type { Detection } from "./finding.ts";
import { Position } from "./position.ts";
import { printOf } from "./print.ts";

export interface ScannerOptions {
  syntax?: Syntax;
  /** Not text: only tokens of a form of their own are looked for. */
  binary?: boolean;
  /** Whether a comment on its line may allow a value. Nobody reviews the lines of a log. */
  comments?: boolean;
  /** Values that are known not to be secret here. The value stays where it is asked about. */
  isKnown?: (value: string) => boolean;
  detectors?: readonly Detector[];
}

const anchorsOf = new Map<readonly Detector[], Anchors>();

/**
 * Reads a text piece by piece and finds values in it, in one pass. What it holds at a time is a piece and `reach`
 * around it, however long the text and its lines are.
 */
export class Scanner {
  /** Values that a comment or a baseline allowed. */
  allowed = 0;
  /** How often a detector was asked: what the time of a scan is bounded by, besides the text's length. */
  asked = 0;
  readonly #detectors: readonly Detector[];
  readonly #anchors: Anchors;
  readonly #options: Required<Pick<ScannerOptions, "syntax" | "binary" | "comments" | "isKnown">>;
  readonly #position = new Position();
  #window: Buffer = Buffer.alloc(0);
  /** Where in the window anchors were not looked for yet. */
  #from = 0;
  /** Up to where in the window values were found: each character belongs to one. */
  #taken = 0;

  constructor({ detectors = all, ...options }: ScannerOptions = {}) {
    this.#detectors = detectors;
    this.#anchors = anchorsFor(detectors);
    this.#options = { syntax: "plain", binary: false, comments: true, isKnown: () => false, ...options };
  }

  /** Takes the next piece; what is found in it, as far as it can be told yet. */
  push(piece: Buffer): Detection[] {
    this.#window = this.#window.length === 0 ? piece : Buffer.concat([this.#window, piece]);
    const to = this.#window.length - reach.ahead;
    return to > this.#from ? this.#search(to) : [];
  }

  /** The rest, after the last piece. */
  end(): Detection[] {
    return this.#search(this.#window.length);
  }

  #search(to: number): Detection[] {
    const matches = this.#matches(to);
    const found = matches.flatMap((match) => this.#detection(match));
    const drop = Math.max(0, to - reach.behind);
    this.#position.advance(this.#window, drop);
    this.#position.drop(drop);
    this.#window = this.#window.subarray(drop);
    this.#from = to - drop;
    this.#taken = Math.max(0, this.#taken - drop);
    return found;
  }

  /** In order of place, none over another. */
  #matches(to: number): Required<Match>[] {
    const matches: (Required<Match> & { rank: number })[] = [];
    let text: string | undefined;
    this.#anchors.each(this.#window, this.#from, to, (at, rank) => {
      const detector = this.#detectors[rank] as Detector;
      if (this.#options.binary && detector.textOnly === true) return;
      this.asked++;
      text ??= this.#window.toString("latin1");
      const match = detector.find(text, at, this.#options.syntax);
      if (match !== undefined) matches.push({ kind: detector.kind, rank, ...match });
    });
    matches.sort((a, b) => a.rank - b.rank || a.start - b.start);
    const kept: Required<Match>[] = [];
    for (const match of matches) {
      if (match.start < this.#taken) continue;
      if (kept.some((other) => match.start < other.end && other.start < match.end)) continue;
      kept.push(match);
    }
    kept.sort((a, b) => a.start - b.start);
    this.#taken = kept.at(-1)?.end ?? this.#taken;
    return kept;
  }

  #detection({ kind, start, end }: Required<Match>): Detection[] {
    const value = this.#window.toString("latin1", start, end);
    if (this.#options.isKnown(value) || (this.#options.comments && this.#isAllowed(start, end))) {
      this.allowed++;
      return [];
    }
    const { line, column } = this.#position.advance(this.#window, start);
    return [{ kind, line, column, length: end - start, print: printOf(kind.id, value) }];
  }

  /** Looks for a comment on the lines of the value, and on the one before. */
  #isAllowed(start: number, end: number): boolean {
    const before = this.#window.toString("latin1", Math.max(0, start - reach.behind), start);
    const after = this.#window.toString("latin1", end, end + reach.behind);
    const [same = "", previous = ""] = before.split("\n").reverse();
    return allowsSame(same + (after.split("\n", 1)[0] ?? "")) || allowsNext(previous);
  }
}

function anchorsFor(detectors: readonly Detector[]): Anchors {
  const known = anchorsOf.get(detectors);
  if (known !== undefined) return known;
  const made = new Anchors(
    detectors.flatMap(({ anchors, ignoreCase = false }, index) =>
      anchors.map((text) => ({ text, ignoreCase, index })),
    ),
  );
  anchorsOf.set(detectors, made);
  return made;
}
