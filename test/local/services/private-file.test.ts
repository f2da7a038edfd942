import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { readIfThere, writePrivate } from "../../../local/services/private-file.ts";
import { temporaryFolder } from "./temporary-folder.ts";

test("writes a file that only its owner may read, whatever was there before (R45)", async (t) => {
  const path = join(await temporaryFolder(t), "keys.json");
  await writeFile(path, "old", { mode: 0o644 });
  await writePrivate(path, "new");
  assert.equal(await readFile(path, "utf8"), "new");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test("leaves no temporary file behind", async (t) => {
  const folder = await temporaryFolder(t);
  await writePrivate(join(folder, "keys.json"), "text");
  assert.deepEqual(await readdir(folder), ["keys.json"]);
});

test("tells a file that is absent from one that cannot be read", async (t) => {
  const folder = await temporaryFolder(t);
  assert.equal(await readIfThere(join(folder, "absent")), undefined);
  await mkdir(join(folder, "folder"));
  await assert.rejects(readIfThere(join(folder, "folder")), { code: "EISDIR" });
});
