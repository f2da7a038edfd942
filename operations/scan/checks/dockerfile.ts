import type { Kind } from "../detector.ts";
import type { Finding } from "../finding.ts";
import { secrecyOf } from "../secret-name.ts";
import { isDockerfile } from "./archive-rules.ts";
import type { Repository } from "./repository.ts";
import { isSecretFile } from "./secret-files.ts";

const built: Kind = {
  id: "image-secret",
  what: "a secret that an image keeps",
  revoke:
    "replace the value if one was built in; give it while building by RUN --mount=type=secret, while running by an env-file or a file",
};

/** Images hold no secret (R55): what ARG and ENV carry, and what is copied, stays in their layers and history. */
export async function dockerfiles({ paths, read }: Repository): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const path of paths.filter(isDockerfile)) {
    const text = await read(path);
    if (text !== undefined) findings.push(...inDockerfile(path, text));
  }
  return findings;
}

/** What of one Dockerfile stays in the image. */
export function inDockerfile(path: string, text: string): Finding[] {
  return instructionsOf(text).flatMap(({ instruction, words }) => {
    const said = (at: Word, message: string): Finding => ({
      kind: built,
      path,
      line: at.line,
      column: at.column,
      message,
    });
    if (/^(?:ARG|ENV)$/i.test(instruction)) {
      return namesIn(instruction, words)
        .filter(({ text }) => secrecyOf(text) !== "none" && !/_FILE$/i.test(text))
        .map((name) => said(name, `${instruction.toUpperCase()} ${name.text} stays in the image's history`));
    }
    if (/^(?:COPY|ADD)$/i.test(instruction)) {
      return words
        .filter(({ text }) => !text.startsWith("--"))
        .slice(0, -1)
        .filter(({ text }) => isSecretFile(text))
        .map((source) => said(source, `${source.text} becomes a part of the image`));
    }
    return [];
  });
}

interface Word {
  text: string;
  /** Both from 1. */
  line: number;
  column: number;
}

/**
 * Instructions with their words. A backslash at the end of a line goes on with the next one; comments and empty lines
 * between them are none. https://docs.docker.com/reference/dockerfile/#format
 */
function instructionsOf(text: string): { instruction: string; words: Word[] }[] {
  const all: { instruction: string; words: Word[] }[] = [];
  let goesOn = false;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const words = [...line.replace(/\\\s*$/, "").matchAll(/\S+/g)].map(({ 0: word, index: at }) => ({
      text: word,
      line: index + 1,
      column: at + 1,
    }));
    if (goesOn) all.at(-1)?.words.push(...words);
    else all.push({ instruction: words[0]?.text ?? "", words: words.slice(1) });
    goesOn = /\\\s*$/.test(line);
  }
  return all;
}

/** Of `A=1 B=2`, of ARG's `A B=2`, or of ENV's old `NAME value`. */
function namesIn(instruction: string, words: readonly Word[]): Word[] {
  const isOld = /^ENV$/i.test(instruction) && words[0]?.text.includes("=") === false;
  return (isOld ? words.slice(0, 1) : words).flatMap((word) => {
    const [, name] = (isOld ? /^([A-Za-z_]\w*)$/ : /^([A-Za-z_]\w*)(?:=|$)/).exec(word.text) ?? [];
    return name === undefined ? [] : [{ ...word, text: name }];
  });
}
