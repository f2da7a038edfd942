/** Markup of Markdown, of HTML and of GitHub's formulas. */
const markup = /[\\`*_{}[\]()#!|<>~&$]/g;

/**
 * Others' words as text in a line or a cell of GitHub's Markdown: they end no cell, open no tag, and are neither a link, a
 * picture, a mention nor a reference. GitHub looks for the last three in what it has rendered, where an entity is the
 * character again: an invisible word joiner stands behind what would begin one.
 */
export function plain(text: string): string {
  return text
    .replace(/[\s\p{Cc}]+/gu, " ")
    .replace(/@|#(?=\d)|:(?=\/\/)|\bwww\.|\bGH-/gi, "$&\u2060")
    .replace(markup, (character) => `&#${character.charCodeAt(0)};`);
}

/** The same as code: a name, a place. Not between backticks, which a name may hold itself. */
export function code(text: string): string {
  return `<code>${plain(text)}</code>`;
}

/** A table. The cells are Markdown already. */
export function rows(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...body.map(line)].join("\n");
}
