import { basename, resolve } from "node:path";

/** A `pulumi preview` or `pulumi up` whose judgement counts for a gate. */
export interface PulumiCommand {
  kind: "preview" | "update";
  /** The stack's own name, without its organization and project. */
  stack: string;
  /** What is run: the same words, the pack's path absolute. */
  words: string[];
}

const kinds: Record<string, PulumiCommand["kind"]> = {
  preview: "preview",
  pre: "preview",
  up: "update",
  update: "update",
};

/**
 * Reads a command line of Pulumi. The engine starts a pack in the folder of the program's entry, so a path that is
 * relative to this one would not be found there.
 * @returns what is wrong with it, as a text, where a gate could not be said of it
 */
export function pulumiCommand(words: readonly string[]): PulumiCommand | string {
  const [program = "", command = "", ...rest] = words;
  const kind = kinds[command];
  if (basename(program) !== "pulumi" || kind === undefined) {
    return "only `pulumi preview …` and `pulumi up …` are judged: write one of them after --";
  }
  const [stack, ...otherStacks] = valuesOf(rest, ["--stack", "-s"]);
  if (stack === undefined || otherStacks.length > 0) return "name one stack: --stack NAME";
  const packs = valuesOf(rest, ["--policy-pack"]);
  if (packs.length !== 1) return "name the one policy pack: --policy-pack policies/analyzer";
  const part = rest.find((word) => /^(-t|--target|--exclude)/.test(word));
  if (part !== undefined) {
    return `a gate is of a whole stack: leave ${part.replace(/=.*/s, "")} out`;
  }
  if (rest.some((word) => /^--event-log/.test(word)))
    return "the event log is kept and read here: leave it out";
  return { kind, stack: stack.split("/").at(-1) ?? stack, words: [program, command, ...absolute(rest)] };
}

function valuesOf(words: readonly string[], names: string[]): string[] {
  return words.flatMap((word, index) => {
    if (names.includes(word)) return [words[index + 1] ?? ""];
    const [name = "", ...value] = word.split("=");
    return names.includes(name) && value.length > 0 ? [value.join("=")] : [];
  });
}

function absolute(words: readonly string[]): string[] {
  return words.map((word, index) => {
    if (words[index - 1] === "--policy-pack") return resolve(word);
    const [, pack] = /^--policy-pack=(.*)$/s.exec(word) ?? [];
    return pack === undefined ? word : `--policy-pack=${resolve(pack)}`;
  });
}
