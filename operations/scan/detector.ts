/** Where a value stands in a text, in characters; `end` is behind its last one. */
export interface Span {
  start: number;
  end: number;
}

/** How a file is written: in code an unquoted value is an expression, elsewhere it is a value. */
export type Syntax = "code" | "plain";

export interface Match extends Span {
  /** Where one detector tells several kinds apart. */
  kind?: Kind;
}

/** What a finding is called, and what its owner does about it. */
export interface Kind {
  /** kebab-case; baselines and SARIF name it. */
  id: string;
  /** With its article: "a GitHub token". */
  what: string;
  /** Where the value is made invalid, a full clause: "revoke it at …". */
  revoke: string;
}

/**
 * One kind of secret. It is asked only where one of its anchors stands, and looks at most `reach` characters around
 * it, once: that, and expressions that cannot backtrack, is what bounds the time of a scan.
 */
export interface Detector {
  kind: Kind;
  /** Literals of at least three characters, one of which is in every match. */
  anchors: readonly string[];
  ignoreCase?: boolean;
  /** Not asked in files that are no text. */
  textOnly?: boolean;
  /** @param text one character a byte */
  find(text: string, at: number, syntax: Syntax): Match | undefined;
}

/** The farthest that any detector looks behind and ahead of its anchor, in characters. */
export const reach = { behind: 512, ahead: 8192 } as const;

/** Whether a word can begin at `at`. Escapes (`\n`, `%3D`) and a terminal's colours are no part of one. */
export function beginsWord(text: string, at: number): boolean {
  if (at === 0 || !isWord(text.charCodeAt(at - 1))) return true;
  return escaped.test(text.slice(Math.max(0, at - 12), at));
}

/** The last of them is a colour's end; its beginning is a control character. */
const escaped = /(?:\\[nrtv]|%[0-9A-Fa-f]{2}|\\u[0-9a-fA-F]{4}|\[[0-9;]{0,9}m)$/;

/** Whether nothing of the same word follows at `at`. */
export function endsWord(text: string, at: number): boolean {
  return at >= text.length || !isWord(text.charCodeAt(at));
}

function isWord(code: number): boolean {
  return (
    (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95
  );
}

/** Runs a sticky expression at a place; the text's end there, or -1. */
export function endOf(expression: RegExp, text: string, at: number): number {
  expression.lastIndex = at;
  return expression.test(text) ? expression.lastIndex : -1;
}
