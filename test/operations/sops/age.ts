import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findTool } from "../../../local/toolchain/index.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import type { Model } from "../../../model/model.ts";
import { modelsOf } from "../../../operations/validate.ts";

const run = promisify(execFile);

/** A folder with age keys of its own, and the real catalogue's models with them as recipients. */
export interface Keys {
  root: string;
  sops: string;
  models: Model[];
  model(environment: string): Model;
  /** Recipients in the order of the models. */
  ada: string;
  ben: string;
  /** Not in the catalogue. */
  stranger: string;
  /** Runs with only this person's private key at hand. */
  holding<T>(person: "ada" | "ben" | "stranger" | "nobody", work: () => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

export async function makeKeys(): Promise<Keys> {
  const [sops, keygen] = [await findTool("sops", () => {}), await findTool("age-keygen", () => {})];
  const root = await mkdtemp(join(tmpdir(), "keyplane-sops-"));
  const folder = await mkdtemp(join(tmpdir(), "keyplane-age-"));
  const make = async (person: string) => {
    await run(keygen, ["-o", join(folder, person)]);
    return (await run(keygen, ["-y", join(folder, person)])).stdout.trim();
  };
  const [ada, ben, stranger] = [await make("ada"), await make("ben"), await make("stranger")];
  const recipients = [
    { person: "ada", age: ada },
    { person: "ben", age: ben },
  ];
  const models = modelsOf(await loadCatalogue("catalogue")).map((model) => ({ ...model, recipients }));
  return {
    root,
    sops,
    models,
    model: (environment) => {
      const model = models.find((one) => one.environment === environment);
      if (model === undefined) throw new Error(`no environment ${environment}`);
      return model;
    },
    ada,
    ben,
    stranger,
    async holding(person, work) {
      const before = process.env.SOPS_AGE_KEY_FILE;
      process.env.SOPS_AGE_KEY_FILE = join(folder, person);
      try {
        return await work();
      } finally {
        if (before === undefined) delete process.env.SOPS_AGE_KEY_FILE;
        else process.env.SOPS_AGE_KEY_FILE = before;
      }
    },
    async remove() {
      await rm(root, { recursive: true });
      await rm(folder, { recursive: true });
    },
  };
}

/** Line and column, 1-based, of the first occurrence of a text in a file. */
export async function placeOf(path: string, text: string): Promise<{ line: number; column: number }> {
  const before = (await readFile(path, "utf8")).split(text)[0] ?? "";
  const lines = before.split("\n");
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}
