import { isMap, isScalar, LineCounter, type Node, type Pair, parseDocument, visit, type YAMLMap } from "yaml";
import type { Problem } from "../../model/catalogue.ts";

export const sections = ["defaults", "toggles", "secrets"] as const;
export type Section = (typeof sections)[number];

/** One variable of one service in a bootstrap file. */
export interface Leaf {
  service: string;
  section: Section;
  variable: string;
  /** As written; in an encrypted file the ciphertext. */
  value: unknown;
  line: number;
  column: number;
}

export interface Bootstrap {
  leaves: Leaf[];
  /** The `sops` section of an encrypted file, as data. */
  sops?: { data: Record<string, unknown>; line: number; column: number };
  problems: Problem[];
}

/** Bytes; a bootstrap of hundreds of services stays far below. */
export const largest = 1024 * 1024;

/**
 * Reads the shape `services.<system/service>.<section>.<VARIABLE>` and nothing else, with the position of
 * everything that is not that shape. Decides nothing about values.
 */
export function readBootstrap(file: string, text: string): Bootstrap {
  const lines = new LineCounter();
  const result: Bootstrap = { leaves: [], problems: [] };
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const refuse = (node: unknown, message: string) => {
    const range = (node as Node | undefined)?.range;
    result.problems.push({ file, ...place(range?.[0] ?? 0), message });
  };
  const document = parseDocument(text, { lineCounter: lines, schema: "core", version: "1.2" });
  for (const error of document.errors) {
    result.problems.push({ file, ...place(error.pos[0]), message: firstLine(error.message) });
  }
  if (result.problems.length > 0) return result;
  visit(document, {
    Alias: (_, node) => refuse(node, "an alias hides what a variable holds: write the value out"),
    Node: (_, node) => {
      if ("anchor" in node && node.anchor !== undefined) refuse(node, "anchors are not allowed here");
    },
  });
  comments(file, text, result);
  if (!isMap(document.contents)) {
    refuse(document.contents ?? undefined, 'must be a map with the key "services"');
    return result;
  }
  for (const pair of document.contents.items) {
    const key = keyOf(pair);
    if (key === "sops") {
      const data: unknown = isMap(pair.value) ? pair.value.toJSON() : undefined;
      if (typeof data !== "object" || data === null) refuse(pair.key, "sops: is not what sops writes");
      else {
        const { line, column } = place((pair.key as Node).range?.[0] ?? 0);
        result.sops = { data: data as Record<string, unknown>, line, column };
      }
    } else if (key !== "services") {
      refuse(
        pair.key,
        `${key}: unknown; everything lies under "services" (system/service → section → variable)`,
      );
    } else {
      for (const [service, body] of entries(pair.value, "services", refuse)) {
        readService(service, body, result, refuse, place);
      }
    }
  }
  return result;
}

function readService(
  service: { key: string; node: unknown },
  body: unknown,
  result: Bootstrap,
  refuse: (node: unknown, message: string) => void,
  place: (offset: number) => { line: number; column: number },
): void {
  const where = `services.${service.key}`;
  for (const [section, variables] of entries(body ?? service.node, where, refuse)) {
    const known = sections.find((one) => one === section.key);
    if (known === undefined) {
      refuse(section.node, `${where}.${section.key}: unknown; a service has ${sections.join(", ")}`);
      continue;
    }
    for (const [variable, value] of entries(variables ?? section.node, `${where}.${known}`, refuse)) {
      if (!isScalar(value)) {
        refuse(variable.node, `${where}.${known}.${variable.key}: must be one plain value`);
        continue;
      }
      const { line, column } = place((variable.node as Node).range?.[0] ?? 0);
      const leaf = { service: service.key, section: known, variable: variable.key, line, column };
      result.leaves.push({ ...leaf, value: value.value });
    }
  }
}

function entries(
  node: unknown,
  where: string,
  refuse: (node: unknown, message: string) => void,
): [key: { key: string; node: unknown }, value: unknown][] {
  if (!isMap(node)) {
    refuse(node, `${where}: must be a map`);
    return [];
  }
  return (node as YAMLMap).items.map((pair) => [{ key: keyOf(pair), node: pair.key }, pair.value]);
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

/** sops encrypts comments; one in clear was added afterwards, and nobody checks what it says. */
function comments(file: string, text: string, result: Bootstrap): void {
  if (!/^sops:/m.test(text)) return;
  text.split("\n").forEach((line, index) => {
    const match = /^\s*#(?!ENC\[AES256_GCM,)/.exec(line) ?? /\s#(?!ENC\[AES256_GCM,)/.exec(line);
    if (match === null) return;
    const column = line.indexOf("#") + 1;
    result.problems.push({
      file,
      line: index + 1,
      column,
      message: "a comment in clear: sops encrypts comments",
    });
  });
}

function firstLine(message: string): string {
  return message.split(/ at line |\n/)[0] ?? message;
}
