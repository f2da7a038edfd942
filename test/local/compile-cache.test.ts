import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { keyplane } from "../cli/command.ts";

let cache: string;
let folder: string;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "keyplane-compiled-"));
  folder = join(cache, "keyplane", "compiled");
});
afterEach(() => rm(cache, { recursive: true, force: true }));

const help = () => keyplane(["validate", "--help"], { env: { XDG_CACHE_HOME: cache } });

test("compiled code is kept where only its owner may write, as it is run", async () => {
  assert.equal((await help()).code, 0);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  assert.ok((await readdir(folder)).length > 0, "something was kept");
});

test("a folder that others may write is left alone: nothing is run from it and nothing is put there", async () => {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o777);
  assert.equal((await help()).code, 0);
  assert.deepEqual(await readdir(folder), []);
});

test("a cache that cannot be made stops nothing", async () => {
  const { code } = await keyplane(["validate", "--help"], { env: { XDG_CACHE_HOME: "/dev/null/nowhere" } });
  assert.equal(code, 0);
});
