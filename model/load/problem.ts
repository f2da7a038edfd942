export interface Position {
  file: string;
  /** From 1. */
  line: number;
  /** From 1, in characters. */
  column: number;
}

/** One thing that is wrong with a catalogue: where, what and how to fix it. Never holds a secret's value. */
export interface Problem extends Position {
  message: string;
}

/** `file:line:column: message`, which terminals and editors turn into links. */
export function placed({ file, line, column, message }: Problem): string {
  return `${file}:${line}:${column}: ${message}`;
}

/** A catalogue that cannot be used; holds every problem of all its files, ordered by position. */
export class CatalogueError extends Error {
  override name = "CatalogueError";
  readonly problems: readonly Problem[];
  constructor(problems: Problem[]) {
    const ordered = order(problems);
    super(ordered.map(placed).join("\n"));
    this.problems = ordered;
  }
}

function order(problems: Problem[]): Problem[] {
  const unique = new Map(problems.map((p) => [`${p.file}\0${p.line}\0${p.column}\0${p.message}`, p]));
  return [...unique.values()].sort(
    (a, b) =>
      compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.message, b.message),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
