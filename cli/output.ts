import { styleText } from "node:util";
import type { Problem } from "../model/catalogue.ts";
import { exitCode } from "./exit.ts";

export async function printJson(document: unknown): Promise<void> {
  await write(process.stdout, `${JSON.stringify(document, undefined, 2)}\n`);
}

export async function printText(text: string): Promise<void> {
  if (text !== "") await write(process.stdout, `${text}\n`);
}

/** Prints an error once: for people on standard error, for programs as the one document on standard output. */
export async function printError(error: unknown, json: boolean): Promise<void> {
  const problems = problemsOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    const name = error instanceof Error ? error.name : "Error";
    await printJson({
      error: { name, message, ...(problems.length > 0 && { problems }) },
      exit: exitCode(error),
    });
    return;
  }
  const lines = problems.length > 0 ? problems.map(problemLine) : causes(error);
  if (process.env.KEYPLANE_DEBUG !== undefined && error instanceof Error) lines.push(error.stack ?? "");
  const red = styleText("red", "error:", { stream: process.stderr });
  await write(
    process.stderr,
    lines.map((line) => `${problems.length > 0 ? "" : `${red} `}${line}\n`).join(""),
  );
}

/** `file:line:column: message`, which terminals and editors turn into links. */
export function problemLine({ file, line, column, message }: Problem): string {
  const place = styleText("bold", `${visible(file)}:${line}:${column}:`, { stream: process.stderr });
  return `${place} ${visible(message)}`;
}

/** Names in files are others' words: no control character of theirs reaches the terminal. */
function visible(text: string): string {
  return text.replace(
    /\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** The places that an error names, or none. */
export function problemsOf(error: unknown): Problem[] {
  if (typeof error !== "object" || error === null || !("problems" in error)) return [];
  return Array.isArray(error.problems) ? (error.problems as Problem[]) : [];
}

function causes(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)];
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...(error.message === "" ? [] : [error.message]), ...error.errors.flatMap(causes)];
  }
  const cause = error.cause instanceof Error ? error.cause.message : "";
  return [cause === "" || error.message.includes(cause) ? error.message : `${error.message}: ${cause}`];
}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = (error?: NodeJS.ErrnoException | null) => {
      stream.off("error", ended);
      // A reader that closed the pipe (`keyplane … | head`) has what it wanted.
      if (error && error.code !== "EPIPE") reject(error);
      else resolve();
    };
    stream.once("error", ended);
    stream.write(text, (error) => void (error ? undefined : ended()));
  });
}
