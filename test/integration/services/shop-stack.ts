import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { acme } from "../../acme.ts";
import { startStack, type TestStack } from "../stack.ts";
import { type Run, spawnKeyplane } from "../support/keyplane.ts";

const organization = `${acme}environments: { local: {} }
`;

/** What a service reads: variable → content of its file. */
export type Files = Record<string, string>;

/** A whole local stack of one system, and services of it that `keyplane run` keeps up to date (`reader.mjs`). */
export class ShopStack implements AsyncDisposable {
  readonly stack: TestStack;
  readonly catalogue: string;
  readonly #folder: string;
  readonly #services: ChildProcess[] = [];

  private constructor(stack: TestStack, folder: string) {
    this.stack = stack;
    this.#folder = folder;
    this.catalogue = catalogueIn(folder);
  }

  /**
   * @param system the text of systems/shop.yaml
   * @param names the services that are run, each with a file variable at the least
   */
  static async start(system: string, names: string[]): Promise<ShopStack> {
    const folder = await mkdtemp(join(tmpdir(), "keyplane-shop-stack-"));
    const catalogue = catalogueIn(folder);
    await mkdir(join(catalogue, "systems"), { recursive: true });
    await writeFile(join(catalogue, "organization.yaml"), organization);
    await writeFile(systemIn(catalogue), system);
    const shop = new ShopStack(await startStack({ catalogue }), folder);
    const reader = [process.execPath, resolve(import.meta.dirname, "reader.mjs")];
    for (const name of names) {
      const run = ["run", `shop/${name}`, "--catalogue", catalogue, "--poll", "200ms"];
      const { child } = spawnKeyplane(shop.stack.home, [...run, "--", ...reader, shop.#logOf(name)]);
      shop.#services.push(child);
    }
    await Promise.all(names.map((name) => shop.seen(name, () => true)));
    return shop;
  }

  /** The system as it is from now on. */
  declare(system: string): Promise<void> {
    return writeFile(systemIn(this.catalogue), system);
  }

  keyplane(...args: string[]): Promise<Run> {
    return spawnKeyplane(this.stack.home, [...args, "--catalogue", this.catalogue]).ended;
  }

  /** All that a service has run, the last one last. */
  async ran(service: string): Promise<Files[]> {
    const lines = (await readFile(this.#logOf(service), "utf8")).trim().split("\n");
    return lines.map((line) => JSON.parse(line) as Files);
  }

  /** What a service runs now. */
  async runs(service: string): Promise<Files> {
    return (await this.ran(service)).at(-1) ?? {};
  }

  /** What it runs, once that is so. @throws Error after two minutes */
  async seen(service: string, wanted: (files: Files) => boolean): Promise<Files> {
    for (const end = Date.now() + 120_000; Date.now() < end; await wait(100)) {
      const files = await this.runs(service).catch(() => undefined);
      if (files !== undefined && wanted(files)) return files;
    }
    throw new Error(`${service} does not run it: ${Object.keys(await this.runs(service).catch(() => ({})))}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = this.#services.map((child) => once(child, "exit"));
    for (const child of this.#services) child.kill("SIGTERM");
    await Promise.all(ends);
    await this.stack[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #logOf(service: string): string {
    return join(this.#folder, `${service}.log`);
  }
}

const catalogueIn = (folder: string) => join(folder, "catalogue");
const systemIn = (catalogue: string) => join(catalogue, "systems/shop.yaml");
