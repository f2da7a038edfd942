import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import {
  isInMemory,
  makePrivateFolder,
  removePrivateFolder,
} from "../../../operations/delivery/memory-folder.ts";

test("values of a process lie in memory where the machine has such a place, for its user alone (R53)", async () => {
  const folder = await makePrivateFolder({});
  try {
    assert.equal((await stat(folder.path)).mode & 0o7777, 0o700);
    assert.equal(folder.inMemory, await isInMemory(folder.path));
    const hasMemory = existsSync("/dev/shm") && (await isInMemory("/dev/shm"));
    assert.equal(dirname(folder.path), hasMemory ? "/dev/shm" : tmpdir());
  } finally {
    await removePrivateFolder(folder.path);
  }
  await assert.rejects(stat(folder.path), { code: "ENOENT" });
});

test("a folder that is said to be in memory and lies on a disk is not taken for it", async () => {
  const disk = await mkdtemp(join(tmpdir(), "keyplane-disk-"));
  try {
    if (await isInMemory(disk)) return;
    const folder = await makePrivateFolder({ XDG_RUNTIME_DIR: disk });
    await removePrivateFolder(folder.path);
    assert.notEqual(dirname(folder.path), disk);
  } finally {
    await rm(disk, { recursive: true, force: true });
  }
});

test("nothing but a folder of that kind is removed", async () => {
  const other = await mkdtemp(join(tmpdir(), "keyplane-other-"));
  await removePrivateFolder(other);
  assert.ok((await stat(other)).isDirectory());
  await rm(other, { recursive: true });
});
