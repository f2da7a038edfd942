import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type YAMLError,
} from "yaml";
import type { Entry, Node, Source } from "./node.ts";
import { positionOf } from "./node.ts";
import type { Problem } from "./problem.ts";
import { looksSecret, quote, suggestion } from "./quote.ts";

/** Bounds of one file. A catalogue of a hundred systems stays far below each. */
export const bounds = { bytes: 1024 * 1024, depth: 20, nodes: 200_000, problems: 20 };

/** A file's tree, or undefined when it cannot be read as the plain YAML that the catalogue is written in. */
export function parseYaml(file: string, text: string, problems: Problem[]): Node | undefined {
  const lines = new LineCounter();
  const source: Source = { file, lines };
  const report = (offset: number, message: string) => {
    problems.push({ ...positionOf(source, offset), message });
  };
  const unreadable = unreadableAt(text);
  if (unreadable !== undefined) {
    problems.push({ file, ...lineAndColumn(text, unreadable.offset), message: unreadable.message });
    return undefined;
  }
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      merge: false,
      schema: "core",
      logLevel: "error",
    });
  } catch (error) {
    // The parser recurses: what nests deeper than its stack is beyond our own bound as well.
    if (!(error instanceof RangeError)) throw error;
    problems.push({
      file,
      line: 1,
      column: 1,
      message: `nests too deeply: write at most ${bounds.depth} levels`,
    });
    return undefined;
  }
  if (document.errors.length > 0) {
    if (document.errors.some(({ code }) => code === "RESOURCE_EXHAUSTION")) {
      report(deepest(text), `nests too deeply: write at most ${bounds.depth} levels`);
      return undefined;
    }
    // One mistake often makes several errors in its line: the first is the mistake.
    const told = new Set<number>();
    for (const error of document.errors) {
      const { line } = lines.linePos(error.pos[0]);
      if (told.size < bounds.problems && !told.has(line)) report(error.pos[0], explain(error));
      told.add(line);
    }
    return undefined;
  }
  const before = problems.length;
  const root = new Converter(source, text, report).convert(document.contents, 0);
  return problems.length > before ? undefined : root;
}

/** Why text cannot be YAML for people at all, and where. */
function unreadableAt(text: string): { offset: number; message: string } | undefined {
  if (Buffer.byteLength(text) > bounds.bytes) {
    return { offset: 0, message: `is over ${bounds.bytes / 1024} KiB: split it into one file per system` };
  }
  const directive = /^(?:[ \t]*(?:#[^\n]*)?\r?\n)*%/.exec(text);
  if (directive !== null) {
    return { offset: directive[0].length - 1, message: "starts with a YAML directive: remove the % line" };
  }
  const offset = text.search(/(?![\t\n\r])\p{Cc}|[\ufffd\u202a-\u202e\u2066-\u2069]/u);
  if (offset === -1) return undefined;
  return { offset, message: "is not plain UTF-8 text: save it as YAML text without control characters" };
}

/** Where brackets first nest beyond the bound, as far as that can be said without parsing. */
function deepest(text: string): number {
  let depth = 0;
  for (const { 0: bracket, index } of text.matchAll(/[[\]{}]/g)) {
    depth += bracket === "[" || bracket === "{" ? 1 : -1;
    if (depth > bounds.depth) return index;
  }
  return 0;
}

function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

class Converter {
  readonly #source: Source;
  readonly #text: string;
  readonly #report: (offset: number, message: string) => void;
  readonly #anchors = new Map<string, Node>();
  #size = 0;

  constructor(source: Source, text: string, report: (offset: number, message: string) => void) {
    this.#source = source;
    this.#text = text;
    this.#report = report;
  }

  /** Converts a YAML node; what is refused is reported and becomes an empty value. */
  convert(node: unknown, at: number, depth = 0): Node {
    const empty: Node = { kind: "scalar", value: null, source: this.#source, offset: at, size: 1 };
    if (node === null || node === undefined) return empty;
    const offset = (node as { range?: [number, number, number] | null }).range?.[0] ?? at;
    const fail = (message: string): Node => {
      this.#report(offset, message);
      return { ...empty, offset };
    };
    if (this.#size > bounds.nodes) return empty;
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined) {
        const near = suggestion(node.source, this.#anchors.keys());
        return fail(
          `alias ${quote(node.source)} has no anchor before it: ` +
            (near === undefined
              ? `write &${printable(node.source)} at the value that it repeats`
              : `did you mean *${near}?`),
        );
      }
      this.#count(target.size, offset);
      return target;
    }
    if (depth > bounds.depth) return fail(`nests too deeply: write at most ${bounds.depth} levels`);
    const { tag, anchor } = node as { tag?: string; anchor?: string };
    if (tag !== undefined) {
      const written = this.#tagBefore(offset);
      this.#report(written.offset, `has the tag ${quote(written.text)}: remove it, tags are not read`);
      return { ...empty, offset };
    }
    const made = this.#value(node, offset, depth, fail);
    if (anchor !== undefined) this.#anchors.set(anchor, made);
    return made;
  }

  #value(node: unknown, offset: number, depth: number, fail: (message: string) => Node): Node {
    const placed = { source: this.#source, offset };
    this.#count(1, offset);
    if (isMap(node)) {
      const entries = new Map<string, Entry>();
      let size = 1;
      for (const pair of node.items) {
        const key = this.#key(pair.key, offset, entries);
        const value = this.convert(pair.value, key?.offset ?? offset, depth + 1);
        size += value.size;
        if (key !== undefined) entries.set(key.name, { key: key.offset, value });
      }
      return { kind: "map", entries, size, ...placed };
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => this.convert(item, offset, depth + 1));
      return { kind: "list", items, size: items.reduce((sum, item) => sum + item.size, 1), ...placed };
    }
    if (isScalar(node)) {
      const { value } = node;
      if (value === null || typeof value === "string" || typeof value === "boolean") {
        return { kind: "scalar", value, size: 1, ...placed };
      }
      if (typeof value === "number" && Number.isFinite(value))
        return { kind: "scalar", value, size: 1, ...placed };
    }
    return fail("is not a value that the catalogue knows: write a text, a number, true or false");
  }

  #key(
    node: unknown,
    offset: number,
    entries: Map<string, Entry>,
  ): { name: string; offset: number } | undefined {
    const at = (node as { range?: [number, number, number] | null } | null)?.range?.[0] ?? offset;
    if (!isScalar(node) || node.tag !== undefined) {
      this.#report(at, "a key is not a plain text: write a name");
      return undefined;
    }
    const name = typeof node.value === "string" ? node.value : node.source;
    if (typeof name !== "string" || name === "__proto__") {
      this.#report(at, "a key is not a name: write a name");
      return undefined;
    }
    if (name === "<<") {
      this.#report(
        at,
        "merge keys are not read: repeat the fields, or give a whole entry an anchor and use its alias",
      );
      return undefined;
    }
    if (entries.has(name)) {
      const first = positionOf(this.#source, entries.get(name)?.key ?? 0);
      this.#report(
        at,
        `key ${quote(name)} is already in this mapping at line ${first.line}: keep one of the two`,
      );
      return undefined;
    }
    return { name, offset: at };
  }

  /** The tag that stands before a value. */
  #tagBefore(offset: number): { offset: number; text: string } {
    let start = this.#text.lastIndexOf("!", offset);
    while (start > 0 && this.#text[start - 1] === "!") start--;
    return { offset: start, text: /^\S*/.exec(this.#text.slice(start, start + 80))?.[0] ?? "!" };
  }

  #count(size: number, offset: number): void {
    const before = this.#size;
    this.#size += size;
    if (before <= bounds.nodes && this.#size > bounds.nodes) {
      this.#report(offset, `holds over ${bounds.nodes} values once its aliases are written out: repeat less`);
    }
  }
}

function printable(name: string): string {
  return /^[\w-]{1,40}$/.test(name) && !looksSecret(name) ? name : "NAME";
}

/** Our own words for the parser's errors: its messages quote the source, which may hold anything. */
function explain({ code, message }: YAMLError): string {
  const unclosed = code === "BAD_INDENT" && message.includes("end with a");
  return `is not YAML: ${explanations[unclosed ? "MISSING_CHAR" : code] ?? "check the indentation, quotes and brackets from here on"}`;
}

const explanations: Partial<Record<YAMLError["code"], string>> = {
  BAD_ALIAS: "write an alias as *name",
  BAD_DQ_ESCAPE: "write \\\\ for a backslash between double quotes, or use single quotes",
  BAD_INDENT: "indent this line like its neighbours, with spaces",
  BAD_SCALAR_START: "put the value in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "start the nested mapping on a line of its own, or put a value that holds ': ' in quotes",
  BLOCK_IN_FLOW: "write the value in braces on one line",
  MISSING_CHAR: "close the quote, bracket or brace, or write the missing comma or colon",
  MULTILINE_IMPLICIT_KEY: "write a key on one line, followed by a colon",
  MULTIPLE_DOCS: "write one document per file, without a second ---",
  TAB_AS_INDENT: "indent with spaces, not tabs",
  TAG_RESOLVE_FAILED: "remove the tag, tags are not read",
  UNEXPECTED_TOKEN: "remove what stands here, or put the value in quotes",
};
