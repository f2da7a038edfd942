import type { z } from "zod";
import { knownFields } from "./fields.ts";
import { keysAt, type Node, nodeAt, type Path, placeAt, replaced, toPlain, without } from "./node.ts";
import type { Problem } from "./problem.ts";
import { looksSecret, quote, suggestion } from "./quote.ts";

/** What the schema does not accept, and what can stand there instead while the rest is checked. */
interface Wrong {
  path: Path;
  instead?: unknown;
}

/** A file with more problems than this is another kind of file: the rest of it is not looked at. */
const mostProblems = 300;

/** The names that something may refer to; undefined where they cannot be told. */
export type Names = string[] | undefined;

/** Fields that decide what else is right: without them the rest of their entry says nothing. */
const decisive = new Set(["kind", "runs-on", "engine", "to", "type"]);

/** A part of the catalogue that was checked against its schema. */
export class Checked<T> {
  /** What the file says. */
  readonly root: Node;
  /** The part of it that is right, of the schema's type; undefined when too much is wrong. */
  readonly data: T | undefined;
  readonly #wrong: Path[];
  readonly #told = new Set<string>();
  readonly #problems: Problem[];

  constructor(root: Node, schema: z.ZodType<T>, problems: Problem[]) {
    this.root = root;
    this.#problems = problems;
    this.#wrong = [];
    let tree = root;
    let result = schema.safeParse(toPlain(tree));
    // What is wrong is reported and taken away until the rest can be checked further, in the same run.
    for (let round = 0; !result.success && round < 24; round++) {
      const wrong = result.error.issues
        .slice(0, mostProblems + 1)
        .flatMap((issue) => this.#issue(schema, tree, issue as z.core.$ZodIssue, round === 0));
      if (wrong.length > mostProblems) return;
      // From the end, because taking a list's item away moves the ones behind it.
      for (const { path, instead } of wrong.reverse()) {
        if (path.length === 0) return;
        const again = this.#wrong.some((before) => before.length === path.length && isWithin(before, path));
        if (instead === undefined) tree = without(tree, path);
        else if (again && nodeAt(tree, path) !== undefined) tree = without(tree, path.slice(0, -1));
        else tree = replaced(tree, path, instead);
        this.#wrong.push(path);
      }
      result = schema.safeParse(toPlain(tree));
    }
    this.data = result.success ? result.data : undefined;
  }

  /** Reports at a path's value, or at its key. Silent about what the schema has already reported. */
  report(path: Path, message: string, at: "value" | "key" = "value"): void {
    if (this.#wrong.some((wrong) => isWithin(wrong, path) || isWithin(path, wrong))) return;
    this.#problems.push({ ...placeAt(this.root, path, at === "key"), message: `${show(path)} ${message}` });
  }

  /** Reports a value that is wrong, quoted, with the fix. */
  reportValue(path: Path, fix: string): void {
    const node = nodeAt(this.root, path);
    this.report(path, `is ${quote(node === undefined ? undefined : toPlain(node))}: ${fix}`);
  }

  /** Reports a name that refers to nothing, with the nearest of those that exist; where they cannot be told, nothing. */
  checkReference(path: Path, name: string, what: string, known: Names, at: "value" | "key" = "value"): void {
    if (known === undefined || known.includes(name)) return;
    const near = suggestion(name, known);
    const fix =
      near !== undefined
        ? `did you mean ${quote(near)}?`
        : known.length === 0
          ? "declare it first"
          : `write one of ${list(known)}`;
    this.report(
      path,
      at === "key" ? `is not ${what}: ${fix}` : `is ${quote(name)}, which is not ${what}: ${fix}`,
      at,
    );
  }

  /** Names in a section, also of entries that are wrong; undefined where the section itself is. */
  names(...path: Path): Names {
    if (this.#wrong.some((wrong) => isWithin(path, wrong))) return undefined;
    return keysAt(this.root, path);
  }

  #issue(schema: z.ZodType, tree: Node, issue: z.core.$ZodIssue, tell: boolean): Wrong[] {
    const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
    const push = (at: Path, message: string, key = false) => {
      // A value that is wrong in two ways is told once, with the first.
      const told = this.#told.has(show(at));
      this.#told.add(show(at));
      if (tell && !told)
        this.#problems.push({ ...placeAt(this.root, at, key), message: `${show(at)} ${message}` });
    };
    if (issue.code === "unrecognized_keys") {
      const known = knownFields(schema, path, toPlain(this.root));
      return issue.keys.slice(0, mostProblems + 1).map((key) => {
        const near = suggestion(key, known);
        push(
          [...path, key],
          `is not a field: ${near !== undefined ? `did you mean ${quote(near)}?` : `write one of ${list(known)}, or remove it`}`,
          true,
        );
        return { path: [...path, key] };
      });
    }
    if (issue.code === "invalid_key") {
      push(path, `is not a name that can stand here: ${issue.issues[0]?.message ?? "write a name"}`, true);
      return [{ path }];
    }
    const node = nodeAt(tree, path);
    if (issue.code === "invalid_union") {
      const nearest = nearestBranch(issue.errors as z.core.$ZodIssue[][], node);
      if (nearest !== undefined) {
        return nearest.flatMap((inner) =>
          this.#issue(schema, tree, { ...inner, path: [...issue.path, ...inner.path] }, tell),
        );
      }
    }
    if (node === undefined) {
      push(path, `is missing: ${fixOf(issue)}`);
      const instead = decisive.has(String(path.at(-1))) ? undefined : placeholder(issue);
      return [instead === undefined ? { path: path.slice(0, -1) } : { path, instead }];
    }
    push(path, `is ${quote(toPlain(node))}: ${fixOf(issue)}`);
    return [{ path }];
  }
}

/** The branch of a union that a mapping was meant for: the one that accepts it as a mapping. */
function nearestBranch(
  branches: z.core.$ZodIssue[][],
  node: Node | undefined,
): z.core.$ZodIssue[] | undefined {
  if (node?.kind !== "map") return undefined;
  const meant = branches.filter(
    (issues) => !issues.some((i) => i.path.length === 0 && i.code !== "unrecognized_keys"),
  );
  return meant.sort((a, b) => a.length - b.length)[0];
}

function fixOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type" && issue.message.startsWith("Invalid input"))
    return byType[issue.expected] ?? "write another value";
  if (issue.message.startsWith("Invalid input") || issue.message.startsWith("Too "))
    return "write another value";
  return issue.message;
}

const byType: Record<string, string> = {
  object: "write a mapping of its fields",
  record: "write a mapping of names",
  array: "write a list, such as [a, b]",
  string: "write a text",
  number: "write a number",
  boolean: "write true or false",
};

/** What a missing field can be taken for. Nothing is reported about it again. */
function placeholder(issue: z.core.$ZodIssue): unknown {
  if (issue.code === "invalid_value") return issue.values[0];
  if (issue.code !== "invalid_type") return undefined;
  return { string: "missing", object: {}, record: {}, array: [] }[issue.expected as string];
}

function isWithin(path: Path, outer: Path): boolean {
  return outer.every((step, index) => String(path[index]) === String(step));
}

function list(names: string[]): string {
  const shown = [...names].sort().filter((name) => !looksSecret(name));
  return shown.length > 20 ? `${shown.slice(0, 20).join(", ")}, …` : shown.join(", ");
}

/** A path as people write it: secrets.hmac.rotate.every, people."no name", administrators[1]. */
export function show(path: Path): string {
  if (path.length === 0) return "the file";
  return path
    .map((step, index) => {
      if (typeof step === "number") return `[${step}]`;
      const shown = /^[\w-]{1,60}$/.test(step) && !looksSecret(step) ? step : quote(step);
      return index === 0 ? shown : `.${shown}`;
    })
    .join("");
}
