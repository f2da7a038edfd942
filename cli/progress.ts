import { stripVTControlCharacters, styleText } from "node:util";
import type { Report, Step } from "../operations/progress.ts";

/** The part of a terminal stream that progress needs; tests give their own. */
export interface ProgressStream {
  isTTY?: boolean;
  /** 0 where the terminal does not tell. */
  columns?: number;
  /** Knows NO_COLOR and its like. */
  hasColors?(): boolean;
  write(text: string): unknown;
}

const marks = { started: "·", progress: "·", done: "✓", failed: "✗", unchanged: "=" } as const;
const colours = {
  started: "gray",
  progress: "gray",
  done: "green",
  failed: "red",
  unchanged: "gray",
} as const;

/** Milliseconds between two plain lines about the same running subject. */
const quiet = 10_000;

/**
 * Renders steps: on a terminal a line per subject, rewritten as it goes; elsewhere plain lines, with what
 * only says "still running", and is no news, at most every ten seconds.
 */
export function startProgress(
  stream: ProgressStream,
  now: () => number = Date.now,
): { report: Report; end(): void } {
  const rewrites = stream.isTTY === true && process.env.TERM !== "dumb";
  return rewrites ? live(stream) : plain(stream, now);
}

function plain(stream: ProgressStream, now: () => number): { report: Report; end(): void } {
  const last = new Map<string, number>();
  const report = (step: Step) => {
    const isMore = step.state !== "progress" || step.isNews === true;
    if (!isMore && now() - (last.get(step.subject) ?? 0) < quiet) return;
    last.set(step.subject, now());
    stream.write(`${marks[step.state]} ${step.subject}: ${oneLine(step.text)}\n`);
  };
  return { report, end: () => {} };
}

function live(stream: ProgressStream): { report: Report; end(): void } {
  const open = new Map<string, Step>();
  let drawn = 0;
  const draw = (finished: Step[]) => {
    const up = drawn > 0 ? `\u001b[${drawn}A` : "";
    const lines = [...finished, ...open.values()].map((step) => `${line(step, stream)}\u001b[K\n`);
    stream.write(`${up}\r\u001b[J${lines.join("")}`);
    drawn = open.size;
  };
  const report = (step: Step) => {
    const ended = step.state !== "started" && step.state !== "progress";
    if (ended) open.delete(step.subject);
    else open.set(step.subject, step);
    draw(ended ? [step] : []);
  };
  return {
    report,
    end: () => {
      open.clear();
      drawn = 0;
    },
  };
}

function line(step: Step, stream: ProgressStream): string {
  const text = `${step.subject}: ${oneLine(step.text)}`;
  const room = (stream.columns || 80) - 3;
  const cut = text.length > room ? `${text.slice(0, Math.max(room - 1, 0))}…` : text;
  const mark = marks[step.state];
  const coloured = stream.hasColors?.() === true;
  return `${coloured ? styleText(colours[step.state], mark, { validateStream: false }) : mark} ${cut}`;
}

function oneLine(text: string): string {
  return stripVTControlCharacters(text).replace(/\s+/g, " ").trim();
}
