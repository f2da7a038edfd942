/** A part of a comment: what a step wrote, or nothing where it did not come to that. */
export interface Section {
  title: string;
  text: string | undefined;
}

const missing =
  "**not run**: a step before it failed, or the run was cancelled. This has not passed; the run's log says why.";
/** Room for a note where something is cut, and for GitHub to count otherwise than we do. */
const spare = 200;

/**
 * One text of several, each below its title. A section that is not there is said, so that the comment never keeps what an
 * earlier run said. Where all of them are longer than GitHub takes, the longest ones are cut, at the end of a line.
 * @param marker the first line, by which the comment is found again
 * @param longest in UTF-16 code units
 */
export function composed(marker: string, sections: readonly Section[], longest: number): string {
  const texts = sections.map(({ text }) => body(text));
  const around = sections.reduce((sum, { title }) => sum + title.length + spare, marker.length);
  const share = shareOf(
    texts.map(({ length }) => length),
    longest - around,
  );
  const parts = sections.map(({ title }, index) => `## ${title}\n\n${cut(texts[index] as string, share)}`);
  return `${[marker, ...parts].join("\n\n")}\n`;
}

/** What a step wrote, without a marker of its own. */
function body(text: string | undefined): string {
  const own = (text ?? "").replace(/^<!-- keyplane [^>]{1,100} -->\n/, "").trimEnd();
  // Not the first line's own indentation.
  const first = own.replace(/^\s*\n/, "");
  return own === "" ? missing : first;
}

/** How long each may be, so that all together fit: short ones leave their room to longer ones. */
function shareOf(lengths: readonly number[], room: number): number {
  const sorted = lengths.toSorted((one, other) => one - other);
  let left = room;
  for (const [index, length] of sorted.entries()) {
    const share = Math.floor(left / (sorted.length - index));
    if (length > share) return share;
    left -= length;
  }
  return Number.POSITIVE_INFINITY;
}

function cut(text: string, share: number): string {
  if (text.length <= share) return text;
  const end = text.lastIndexOf("\n", share);
  const kept = text.slice(0, end > 0 ? end : share).replace(/[\ud800-\udbff]$/, "");
  return `${kept}\n\n… ${text.length - kept.length} more characters: the run's summary and its artifact have them.`;
}
