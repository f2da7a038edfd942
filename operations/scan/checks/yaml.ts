import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type Scalar } from "yaml";

/** A scalar of a YAML file with the keys that lead to it. */
export interface Place {
  keys: string[];
  /** As it is written, without quotes. */
  value: string;
  line: number;
  column: number;
}

/** The largest file that is read as YAML, in characters. */
const largest = 1024 * 1024;

/**
 * Every scalar of the first document, in order; aliases are not followed, so nothing grows. `[NAME=value]` lists are
 * given as they are. A file that is no YAML has none: other checks and tools say so.
 */
export function scalarsOf(text: string): Place[] {
  if (text.length > largest) return [];
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, logLevel: "silent", uniqueKeys: false });
  const places: Place[] = [];
  const visit = (node: unknown, keys: string[]): void => {
    if (keys.length > 32) return;
    if (isMap(node))
      for (const pair of node.items as Pair<Node, Node>[]) visit(pair.value, [...keys, nameOf(pair.key)]);
    else if (isSeq(node))
      for (const [index, item] of node.items.entries()) visit(item, [...keys, String(index)]);
    else if (isScalar(node)) {
      const { line, col } = lines.linePos(
        (node as Scalar & { range?: [number, number, number] }).range?.[0] ?? 0,
      );
      places.push({ keys, value: node.source ?? String(node.value ?? ""), line, column: col });
    }
  };
  visit(document.contents, []);
  return places;
}

function nameOf(key: unknown): string {
  return isScalar(key) ? String(key.value) : "";
}
