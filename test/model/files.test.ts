import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { CatalogueError, loadCatalogue } from "../../model/catalogue.ts";
import { organization, shop } from "./shop.ts";

let base: string;
let folder: string;

beforeEach(async () => {
  base = await mkdtemp(path.join(tmpdir(), "keyplane-catalogue-"));
  folder = path.join(base, "catalogue");
  await mkdir(path.join(folder, "systems"), { recursive: true });
  await writeFile(path.join(folder, "organization.yaml"), organization);
  await writeFile(path.join(folder, "systems/shop.yaml"), shop);
});
afterEach(() => rm(base, { recursive: true }));

async function problems(): Promise<string[]> {
  try {
    await loadCatalogue(folder);
    return [];
  } catch (error) {
    if (error instanceof CatalogueError)
      return error.message.split("\n").map((line) => line.replaceAll(`${folder}/`, ""));
    throw error;
  }
}

const text = "is not plain UTF-8 text: save it as YAML text without control characters";

suite("the loader reads files and nothing else", () => {
  test("loads a folder, with positions as the folder was named", async () => {
    const catalogue = await loadCatalogue(folder);
    assert.deepEqual(catalogue.positions.get("secrets/shop/signing"), {
      file: `${folder}/systems/shop.yaml`,
      line: 15,
      column: 3,
    });
  });
  test("follows a link inside the folder", async () => {
    await cp(path.join(folder, "organization.yaml"), path.join(folder, "real.txt"));
    await rm(path.join(folder, "organization.yaml"));
    await symlink("real.txt", path.join(folder, "organization.yaml"));
    assert.deepEqual(await problems(), []);
  });
  test("refuses a link out of the folder", async () => {
    await writeFile(path.join(base, "other.yaml"), "system: other\nowner: ada\n");
    await symlink("../../other.yaml", path.join(folder, "systems/other.yaml"));
    assert.deepEqual(await problems(), [
      "systems/other.yaml:1:1: is a link out of the catalogue's folder: put the file itself here",
    ]);
  });
  test("refuses a link out of the folder through a folder", async () => {
    await mkdir(path.join(base, "elsewhere"));
    await cp(path.join(folder, "systems"), path.join(base, "elsewhere"), { recursive: true });
    await rm(path.join(folder, "systems"), { recursive: true });
    await symlink("../elsewhere", path.join(folder, "systems"));
    assert.deepEqual(
      (await problems()).filter((line) => line.startsWith("systems")),
      ["systems:1:1: leads out of the catalogue's folder: put the files themselves here"],
    );
  });
  test("refuses a link to nothing", async () => {
    await symlink("nowhere.yaml", path.join(folder, "systems/other.yaml"));
    assert.deepEqual(await problems(), [
      "systems/other.yaml:1:1: is a link to nothing: put the file itself here",
    ]);
  });
  test("refuses a file of 50 MB without reading it", async () => {
    await writeFile(path.join(folder, "systems/large.yaml"), "");
    await truncate(path.join(folder, "systems/large.yaml"), 50 * 1024 * 1024);
    const before = process.memoryUsage.rss();
    assert.deepEqual(await problems(), [
      "systems/large.yaml:1:1: is over 1024 KiB: split it into one file per system",
    ]);
    assert.ok(process.memoryUsage.rss() - before < 40 * 1024 * 1024);
  });
  test("refuses a binary file", async () => {
    await writeFile(
      path.join(folder, "systems/binary.yaml"),
      Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0xff, 0xfe]),
    );
    assert.deepEqual(await problems(), [`systems/binary.yaml:1:1: ${text}`]);
  });
  test("refuses a text that is not UTF-8", async () => {
    await writeFile(path.join(folder, "systems/latin.yaml"), Buffer.from("system: caf\u00e9\n", "latin1"));
    assert.deepEqual(await problems(), [`systems/latin.yaml:1:1: ${text}`]);
  });
  test("refuses a named pipe without waiting for its writer", async () => {
    execFileSync("mkfifo", [path.join(folder, "systems/pipe.yaml")]);
    assert.deepEqual(await problems(), ["systems/pipe.yaml:1:1: is not a regular file: put a file here"]);
  });
  test("refuses a folder with a file's name", async () => {
    await mkdir(path.join(folder, "systems/folder.yaml"));
    assert.deepEqual(await problems(), ["systems/folder.yaml:1:1: is not a regular file: put a file here"]);
  });
  test("refuses a file that it would not read", async () => {
    await writeFile(path.join(folder, "systems/other.yml"), "system: other\n");
    await writeFile(path.join(folder, "organisation.yaml"), "");
    await writeFile(path.join(folder, "titan.yaml"), "");
    assert.deepEqual(await problems(), [
      "organisation.yaml:1:1: is not read: did you mean organization.yaml?",
      "systems/other.yml:1:1: is not read: end its name with .yaml",
      "titan.yaml:1:1: is not read: move it into systems/",
    ]);
  });
  test("names a folder that is not there", async () => {
    const nowhere = path.join(base, "nowhere");
    await assert.rejects(loadCatalogue(nowhere), {
      name: "CatalogueError",
      message: `${nowhere}:1:1: is not there: name the catalogue's folder with --catalogue`,
    });
  });
  test("names a folder without organization.yaml", async () => {
    await rm(path.join(folder, "organization.yaml"));
    assert.deepEqual(await problems(), [
      "organization.yaml:1:1: is not there: write the organization's people and environments in it",
    ]);
  });
  test("leaves the folder as it was", async () => {
    await writeFile(path.join(folder, "systems/other.yaml"), 'owner: !!js/function "process.exit(9)"\n');
    const before = await contents();
    assert.deepEqual(await problems(), [
      'systems/other.yaml:1:8: has the tag "!!js/function": remove it, tags are not read',
    ]);
    assert.deepEqual(await contents(), before);
  });
});

async function contents(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(base, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    found[file] = entry.isFile() ? await readFile(file, "utf8") : "folder";
  }
  return found;
}
