import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";

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

/** Those that take a value and have a short name, which may stand in one word with others, and those asked for here. */
const options = {
  stack: { type: "string", short: "s" },
  "policy-pack": { type: "string" },
  target: { type: "string", short: "t" },
  exclude: { type: "string", short: "x" },
  config: { type: "string", short: "c" },
  message: { type: "string", short: "m" },
  parallel: { type: "string", short: "p" },
  cwd: { type: "string", short: "C" },
  verbose: { type: "string", short: "v" },
} as const;

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
  // Not strict: what Pulumi knows beside these it reads itself.
  const { tokens } = parseArgs({ args: rest, options, strict: false, tokens: true });
  const found = tokens.filter((token) => token.kind === "option");
  const of = (name: string) => found.filter((option) => option.name === name);
  const [stack = "", ...otherStacks] = of("stack").map(given);
  if (stack === "" || otherStacks.length > 0) return "name one stack: --stack NAME";
  const [pack, ...otherPacks] = of("policy-pack");
  // Pulumi reads a list there, parted by commas.
  if (pack === undefined || otherPacks.length > 0 || !/^[^,]+$/.test(given(pack))) {
    return "name the one policy pack: --policy-pack policies/analyzer";
  }
  const part = found.find(({ name }) => /^(target|exclude)/.test(name));
  if (part !== undefined) return `a gate is of a whole stack: leave ${part.rawName} out`;
  if (found.some(({ name }) => name.startsWith("event-log"))) {
    return "the event log is kept and read here: leave it out";
  }
  // Pulumi goes to the folder of -C before it looks for the pack.
  const path = resolve(of("cwd").map(given).at(-1) ?? "", given(pack));
  const judged =
    pack.inlineValue === true
      ? rest.with(pack.index, `--policy-pack=${path}`)
      : rest.with(pack.index + 1, path);
  return { kind, stack: stack.split("/").at(-1) ?? stack, words: [program, command, ...judged] };
}

/** As Pulumi takes it: `-s=NAME` is `-sNAME`. */
function given({ rawName, value = "" }: { rawName: string; value?: string | undefined }): string {
  return rawName.startsWith("--") ? value : value.replace(/^=/, "");
}
