type Files = Record<string, string>;

/** A catalogue that must be refused, and every line of what is said about it. */
export interface Malformed {
  name: string;
  files: (right: Files) => Files;
  expected: string[];
}

/** The right catalogue with one piece of a file's text replaced. */
export function change(file: string, piece: string, by: string): Malformed["files"] {
  return (files) => {
    const text = files[file] ?? "";
    if (!text.includes(piece)) throw new Error(`${file} holds no ${JSON.stringify(piece)}`);
    return { ...files, [file]: text.replace(piece, () => by) };
  };
}

/** The right catalogue with a file of this text. */
export function write(file: string, text: string): Malformed["files"] {
  return (files) => ({ ...files, [file]: text });
}
