import { createInterface } from "node:readline/promises";
import { addAbortSignal, type Readable, type Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { ReadStream } from "node:tty";
import { UsageError } from "./exit.ts";

/** Bytes; a value is at most 64 KiB, and several come as one JSON object. */
const largest = 1024 * 1024;

/**
 * All of standard input, as text. Invalid UTF-8 becomes U+FFFD, which the checks refuse.
 * @throws the signal's reason when it is aborted
 */
export async function readAll(input: Readable, signal?: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  if (signal !== undefined) addAbortSignal(signal, input);
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > largest) throw new UsageError("standard input is larger than 1 MiB: is it the right file?");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The one line break that `echo` and editors append is not part of a value. */
export function withoutLineBreak(text: string): string {
  return text.replace(/\r?\n$/, "");
}

/**
 * Asks for one line on a terminal, or one block of PEM, without showing what is typed.
 * @throws UsageError when it is given up with Ctrl-C or Ctrl-D
 */
export async function askHidden(
  question: string,
  terminal: Pick<ReadStream, "setRawMode" | "resume" | "pause" | "on" | "off">,
  output: Writable,
): Promise<string> {
  output.write(question);
  terminal.setRawMode(true);
  const decoder = new StringDecoder("utf8");
  let typed = "";
  try {
    return await new Promise<string>((resolve, reject) => {
      const onData = (chunk: Buffer) => {
        for (const key of decoder.write(chunk)) {
          if (key === "\r" || key === "\n") {
            // A pasted key of many lines must not go on into the shell.
            if (!/^-----BEGIN /.test(typed) || /-----END [^\n]*-----$/.test(typed))
              return done(() => resolve(typed));
            typed += "\n";
            continue;
          }
          if (key === "\u0003" || key === "\u0004") {
            return done(() => reject(new UsageError("nothing was set: the question was given up")));
          }
          if (key === "\u007f" || key === "\b") typed = [...typed].slice(0, -1).join("");
          else typed += key;
        }
      };
      const done = (settle: () => void) => {
        terminal.off("data", onData);
        settle();
      };
      terminal.on("data", onData);
      terminal.resume();
    });
  } finally {
    terminal.setRawMode(false);
    terminal.pause();
    output.write("\n");
  }
}

/** Asks on a terminal; anything but y or yes is a no. */
export async function askYes(question: string, input: Readable, output: Writable): Promise<boolean> {
  const lines = createInterface({ input, output });
  try {
    return /^y(es)?$/i.test((await lines.question(question)).trim());
  } finally {
    lines.close();
  }
}
