import { change, type Malformed, write } from "./case.ts";

/** Nine levels of nine aliases each: 387 million values in under a kilobyte. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const item = level === 0 ? "x" : `*a${level - 1}`;
    return `a${level}: &a${level} [${Array.from({ length: 9 }, () => item).join(", ")}]\n`;
  });
  return `system: shop\n${levels.join("")}`;
}

export const yaml: Malformed[] = [
  {
    name: "a bracket that is not closed",
    files: change("systems/shop.yaml", "reads: [signing] }", "reads: [signing }"),
    expected: [
      "systems/shop.yaml:5:51: is not YAML: close the quote, bracket or brace, or write the missing comma or colon",
    ],
  },
  {
    name: "a quote that is not closed",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", 'LOG_LEVEL: "info'),
    expected: [
      "systems/shop.yaml:47:1: is not YAML: close the quote, bracket or brace, or write the missing comma or colon",
    ],
  },
  {
    name: "a tab as indentation",
    files: change("systems/shop.yaml", "  LOG_LEVEL: info", "\tLOG_LEVEL: info"),
    expected: ["systems/shop.yaml:13:1: is not YAML: indent with spaces, not tabs"],
  },
  {
    name: "a line indented wrongly",
    files: change(
      "systems/shop.yaml",
      "    user: 1000\n    reload: watch",
      "    user: 1000\n   reload: watch",
    ),
    expected: ["systems/shop.yaml:11:1: is not YAML: indent this line like its neighbours, with spaces"],
  },
  {
    name: "a colon in a plain value",
    files: change("systems/shop.yaml", "owner: ada", "owner: ada: ben"),
    expected: [
      "systems/shop.yaml:2:8: is not YAML: start the nested mapping on a line of its own, or put a value that holds ': ' in quotes",
    ],
  },
  {
    name: "a second document",
    files: change("systems/shop.yaml", "owner: ada", "owner: ada\n---\nsystem: other"),
    expected: ["systems/shop.yaml:3:1: is not YAML: write one document per file, without a second ---"],
  },
  {
    name: "a directive",
    files: change("systems/shop.yaml", "system: shop", "%FOO\nsystem: shop"),
    expected: ["systems/shop.yaml:1:1: starts with a YAML directive: remove the % line"],
  },
  {
    name: "an empty file",
    files: write("systems/shop.yaml", ""),
    expected: ["systems/shop.yaml:1:1: the file is empty: write a mapping of its fields"],
  },
  {
    name: "a list instead of a mapping",
    files: write("systems/shop.yaml", "- system: shop\n"),
    expected: ["systems/shop.yaml:1:1: the file is a list: write a mapping of its fields"],
  },
  {
    name: "a text instead of a mapping",
    files: write("systems/shop.yaml", "shop\n"),
    expected: ['systems/shop.yaml:1:1: the file is "shop": write a mapping of its fields'],
  },
  {
    name: "a merge key",
    files: change(
      "systems/shop.yaml",
      "  worker:\n    runs-on: compose",
      "  worker:\n    <<: { reload: watch }\n    runs-on: compose",
    ),
    expected: [
      "systems/shop.yaml:9:5: merge keys are not read: repeat the fields, or give a whole entry an anchor and use its alias",
    ],
  },
  {
    name: "a custom tag",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", "LOG_LEVEL: !secret info"),
    expected: ['systems/shop.yaml:13:14: has the tag "!secret": remove it, tags are not read'],
  },
  {
    name: "a core tag",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", "LOG_LEVEL: !!str info"),
    expected: ['systems/shop.yaml:13:14: has the tag "!!str": remove it, tags are not read'],
  },
  {
    name: "a tag that would run code elsewhere",
    files: change(
      "systems/shop.yaml",
      "owner: ada",
      'owner: !!js/function "function () { process.exit(7) }"',
    ),
    expected: ['systems/shop.yaml:2:8: has the tag "!!js/function": remove it, tags are not read'],
  },
  {
    name: "an alias without an anchor",
    files: change("systems/shop.yaml", "owner: ada", "owner: *who"),
    expected: [
      'systems/shop.yaml:2:8: alias "who" has no anchor before it: write &who at the value that it repeats',
    ],
  },
  {
    name: "an alias to an anchor of nearly that name",
    files: change(
      "systems/shop.yaml",
      "      api: { as: { OPENAI_API_KEY: key } }",
      "      api: &openai { as: { OPENAI_API_KEY: key } }\n      worker: *openia",
    ),
    expected: ['systems/shop.yaml:30:15: alias "openia" has no anchor before it: did you mean *openai?'],
  },
  {
    name: "an alias inside its own anchor",
    files: change("systems/shop.yaml", "settings:\n", "settings: &all\n  OTHER: *all\n"),
    expected: [
      'systems/shop.yaml:13:10: alias "all" has no anchor before it: write &all at the value that it repeats',
    ],
  },
  {
    name: "an alias bomb",
    files: write("systems/shop.yaml", bomb()),
    expected: [
      "systems/shop.yaml:7:15: holds over 200000 values once its aliases are written out: repeat less",
    ],
  },
  {
    name: "a nesting beyond the bound",
    files: write("systems/shop.yaml", `system: ${"[".repeat(30)}${"]".repeat(30)}\n`),
    expected: ["systems/shop.yaml:1:29: nests too deeply: write at most 20 levels"],
  },
  {
    name: "a nesting beyond the parser's stack",
    files: write("systems/shop.yaml", `system: ${"[".repeat(300_000)}\n`),
    expected: ["systems/shop.yaml:1:29: nests too deeply: write at most 20 levels"],
  },
  {
    name: "a text over a mebibyte",
    files: write("systems/shop.yaml", `system: shop # ${"x".repeat(1024 * 1024)}\n`),
    expected: ["systems/shop.yaml:1:1: is over 1024 KiB: split it into one file per system"],
  },
  {
    name: "a NUL character",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", 'LOG_LEVEL: "in\u0000fo"'),
    expected: [
      "systems/shop.yaml:13:17: is not plain UTF-8 text: save it as YAML text without control characters",
    ],
  },
  {
    name: "an escape character of the terminal",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", 'LOG_LEVEL: "\u001b[31m"'),
    expected: [
      "systems/shop.yaml:13:15: is not plain UTF-8 text: save it as YAML text without control characters",
    ],
  },
  {
    name: "a character that reverses the reading direction",
    files: change("systems/shop.yaml", "LOG_LEVEL: info", "LOG_LEVEL: in‮fo"),
    expected: [
      "systems/shop.yaml:13:16: is not plain UTF-8 text: save it as YAML text without control characters",
    ],
  },
  {
    name: "a key that is a list",
    files: change("systems/shop.yaml", "  LOG_LEVEL: info", "  ? [LOG_LEVEL]\n  : info"),
    expected: ["systems/shop.yaml:13:5: a key is not a plain text: write a name"],
  },
  {
    name: "a key that is a prototype",
    files: change("systems/shop.yaml", "  LOG_LEVEL: info", "  __proto__: info"),
    expected: ["systems/shop.yaml:13:3: a key is not a name: write a name"],
  },
  {
    name: "a number that is none",
    files: change("systems/shop.yaml", "user: 1000, reload", "user: .nan, reload"),
    expected: [
      "systems/shop.yaml:7:34: is not a value that the catalogue knows: write a text, a number, true or false",
    ],
  },
];
