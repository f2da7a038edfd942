import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
} from "yaml";
import type { Finding } from "../finding.ts";

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

/** Aliases of aliases grow without end, and of themselves: no file that people wrote is deeper, or has more nodes by its aliases. */
const deepest = 32;
const most = 1_000_000;

/** What a check says of the scalars of a text, once of each, by however many aliases it is reached. */
export function findingsAt(text: string, judge: (place: Place) => Finding | undefined): Finding[] {
  const findings = new Map<string, Finding>();
  for (const place of scalarsOf(text)) {
    const finding = judge(place);
    if (finding !== undefined) findings.set(`${place.line}:${place.column}`, finding);
  }
  return [...findings.values()];
}

/**
 * Every scalar of the first document, in order, by its own keys and by those of each alias and merge (`<<`) of it.
 * `[NAME=value]` lists are given as they are. A file that is no YAML has none: other checks and tools say so.
 */
function scalarsOf(text: string): Place[] {
  if (text.length > largest) return [];
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, logLevel: "silent", uniqueKeys: false });
  const places: Place[] = [];
  const anchors = new Map<string, Node>();
  let visits = 0;
  const visit = (node: unknown, keys: string[], depth: number): void => {
    if (depth > deepest || ++visits > most) return;
    if (isNode(node) && "anchor" in node && node.anchor !== undefined) anchors.set(node.anchor, node);
    if (isAlias(node)) visit(anchors.get(node.source), keys, depth + 1);
    else if (isMap(node)) {
      for (const { key, value } of node.items as Pair<Node, Node>[]) {
        if (nameOf(key) !== "<<") visit(value, [...keys, nameOf(key)], depth + 1);
        else for (const merged of isSeq(value) ? value.items : [value]) visit(merged, keys, depth + 1);
      }
    } else if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) visit(item, [...keys, String(index)], depth + 1);
    } else if (isScalar(node)) {
      const { line, col } = lines.linePos(
        (node as Scalar & { range?: [number, number, number] }).range?.[0] ?? 0,
      );
      places.push({ keys, value: node.source ?? String(node.value ?? ""), line, column: col });
    }
  };
  visit(document.contents, [], 0);
  return places;
}

function nameOf(key: unknown): string {
  return isScalar(key) ? String(key.value) : "";
}
