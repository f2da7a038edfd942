import { readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

/** A way to spoil a copy of the shipped catalogue, and all that is said of it. */
export interface Spoilt {
  name: string;
  spoil(folder: string): Promise<void>;
  expected: RegExp;
}

async function replace(folder: string, name: string, from: string, to: string): Promise<void> {
  const file = join(folder, name);
  const text = await readFile(file, "utf8");
  if (!text.includes(from)) throw new Error(`${name} holds no ${from}`);
  await writeFile(file, text.replace(from, to));
}

/** Two to the power of 24 items in a file of a kilobyte. */
const bomb = [
  "l0: &l0 [x, x]",
  ...Array.from({ length: 24 }, (_, n) => `l${n + 1}: &l${n + 1} [*l${n}, *l${n}]`),
];

export const spoilt: Spoilt[] = [
  {
    name: "a field that does not exist",
    spoil: (folder) => replace(folder, "organization.yaml", "organization: acme", "organisation: acme"),
    expected:
      /^organization\.yaml:2:1: organisation is not a field: did you mean "organization"\?\norganization\.yaml:2:1: organization is missing: write [^\n]*\n$/,
  },
  {
    name: "an alias bomb",
    spoil: (folder) => writeFile(join(folder, "systems/bomb.yaml"), `${bomb.join("\n")}\n`),
    expected:
      /^systems\/bomb\.yaml:16:18: holds over 200000 values once its aliases are written out: repeat less\n$/,
  },
  {
    name: "a file of 50 MB",
    async spoil(folder) {
      await writeFile(join(folder, "systems/large.yaml"), "");
      await truncate(join(folder, "systems/large.yaml"), 50 * 1024 * 1024);
    },
    expected: /^systems\/large\.yaml:1:1: is over 1024 KiB: split it into one file per system\n$/,
  },
  {
    name: "a binary file",
    spoil: (folder) =>
      writeFile(join(folder, "systems/binary.yaml"), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0])),
    expected:
      /^systems\/binary\.yaml:1:1: is not plain UTF-8 text: save it as YAML text without control characters\n$/,
  },
  {
    name: "a link out of the folder",
    spoil: (folder) => symlink(resolve("README.md"), join(folder, "systems/other.yaml")),
    expected:
      /^systems\/other\.yaml:1:1: is a link out of the catalogue's folder: put the file itself here\n$/,
  },
  {
    name: "an entry that is there twice",
    spoil: (folder) =>
      replace(
        folder,
        "systems/titan.yaml",
        "secrets:\n",
        "secrets:\n  binance: { class: critical, kind: token }\n",
      ),
    expected:
      /^systems\/titan\.yaml:\d+:3: key "binance" is already in this mapping at line \d+: keep one of the two\n$/,
  },
  {
    name: "database credentials that live over an hour (R12)",
    spoil: (folder) =>
      replace(
        folder,
        "systems/titan.yaml",
        "member-of: ledger_reader, ttl: 15m",
        "member-of: ledger_reader, ttl: 2h",
      ),
    expected:
      /^systems\/titan\.yaml:\d+:\d+: databases\.ledger\.users\.titan-ai-quant\.ttl is "2h": write at most 1h \(R12\)\n$/,
  },
];
