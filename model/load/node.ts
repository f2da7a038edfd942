import type { LineCounter } from "yaml";
import type { Position } from "./problem.ts";

export type Path = readonly (string | number)[];

/** A YAML value that knows where it stands. */
export type Node = MapNode | ListNode | ScalarNode;

interface Placed {
  source: Source;
  /** Offset in the source's text. */
  offset: number;
  /** Nodes in it, aliases counted as often as they are used. */
  size: number;
}

export interface Source {
  file: string;
  lines: LineCounter;
}

export interface MapNode extends Placed {
  kind: "map";
  entries: Map<string, Entry>;
}

export interface Entry {
  /** Offset of the key. */
  key: number;
  value: Node;
}

export interface ListNode extends Placed {
  kind: "list";
  items: Node[];
}

export interface ScalarNode extends Placed {
  kind: "scalar";
  value: string | number | boolean | null;
}

export function positionOf(source: Source, offset: number): Position {
  const { line, col } = source.lines.linePos(offset);
  return { file: source.file, line: Math.max(1, line), column: Math.max(1, col) };
}

/** The node at a path, or undefined. */
export function nodeAt(root: Node, path: Path): Node | undefined {
  let node: Node | undefined = root;
  for (const step of path) node = child(node, step);
  return node;
}

function child(node: Node | undefined, step: string | number): Node | undefined {
  if (node?.kind === "map") return node.entries.get(String(step))?.value;
  if (node?.kind === "list") return node.items[Number(step)];
  return undefined;
}

/** Where a path stands: its value or, with `key`, its key; what does not exist stands where its parent does. */
export function placeAt(root: Node, path: Path, key = false): Position {
  const parent = nodeAt(root, path.slice(0, -1));
  const last = path.at(-1);
  if (last !== undefined && parent?.kind === "map") {
    const entry = parent.entries.get(String(last));
    if (entry !== undefined)
      return positionOf(key ? parent.source : entry.value.source, key ? entry.key : entry.value.offset);
  }
  const node = nodeAt(root, path);
  if (node !== undefined) return positionOf(node.source, node.offset);
  return path.length === 0 ? positionOf(root.source, root.offset) : placeAt(root, path.slice(0, -1), true);
}

export function toPlain(node: Node): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(toPlain);
  const plain: Record<string, unknown> = {};
  for (const [key, entry] of node.entries) plain[key] = toPlain(entry.value);
  return plain;
}

/** The rule for differences: mappings merge, everything else replaces. */
export function merge(base: Node, over: Node): Node {
  if (base.kind !== "map" || over.kind !== "map") return over;
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const before = entries.get(key);
    entries.set(
      key,
      before === undefined ? entry : { key: before.key, value: merge(before.value, entry.value) },
    );
  }
  return { ...base, entries };
}

/** The same tree without what stands at a path. */
export function without(root: Node, path: Path): Node {
  const [step, ...rest] = path;
  if (step === undefined) return root;
  if (root.kind === "map") {
    const key = String(step);
    const entry = root.entries.get(key);
    if (entry === undefined) return root;
    const entries = new Map(root.entries);
    if (rest.length === 0) entries.delete(key);
    else entries.set(key, { key: entry.key, value: without(entry.value, rest) });
    return { ...root, entries };
  }
  if (root.kind === "list") {
    const items = root.items.flatMap((item, index) =>
      index !== Number(step) ? [item] : rest.length === 0 ? [] : [without(item, rest)],
    );
    return { ...root, items };
  }
  return root;
}

/** The same tree with a plain value at a path whose parent is a mapping. */
export function replaced(root: Node, path: Path, value: unknown): Node {
  const [step, ...rest] = path;
  if (step === undefined) return fromPlain(value, root);
  if (root.kind === "map") {
    const before = root.entries.get(String(step));
    const inner = before?.value ?? fromPlain({}, root);
    const entries = new Map(root.entries);
    entries.set(String(step), { key: before?.key ?? root.offset, value: replaced(inner, rest, value) });
    return { ...root, entries };
  }
  if (root.kind === "list") {
    return {
      ...root,
      items: root.items.map((item, i) => (i === Number(step) ? replaced(item, rest, value) : item)),
    };
  }
  return root;
}

/** A scalar, an empty mapping or an empty list, standing where another node stands. */
function fromPlain(value: unknown, { source, offset }: Node): Node {
  const placed = { source, offset, size: 1 };
  if (Array.isArray(value)) return { kind: "list", items: [], ...placed };
  if (typeof value === "object" && value !== null) return { kind: "map", entries: new Map(), ...placed };
  return { kind: "scalar", value: value as string | number | boolean | null, ...placed };
}

/** Keys of the mapping at a path; none where there is no mapping. */
export function keysAt(root: Node, path: Path): string[] {
  const node = nodeAt(root, path);
  return node?.kind === "map" ? [...node.entries.keys()] : [];
}
