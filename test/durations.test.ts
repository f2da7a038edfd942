import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { durations, keepDurations, longestFirst } from "./durations.ts";

test("the longest test files come first, before them those that nobody has run, in their order", () => {
  const seconds = new Map([
    ["a", 1],
    ["b", 20],
    ["d", 3],
  ]);
  assert.deepEqual(longestFirst(["a", "b", "c", "d", "e"], seconds), ["c", "e", "b", "d", "a"]);
});

test("a run of some files keeps what is known of the others, and leaves nothing beside it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-durations-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "cache", "durations.json");
  keepDurations(path, [
    { file: "a", seconds: 1.23 },
    { file: "b", seconds: 2 },
  ]);
  keepDurations(path, [{ file: "b", seconds: 3 }]);
  assert.deepEqual(Object.fromEntries(durations(path)), { a: 1.2, b: 3 });
  assert.deepEqual(await readdir(join(folder, "cache")), ["durations.json"]);
});

test("durations that are not there, cannot be read or are none change nothing but the order", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-durations-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "durations.json");
  assert.equal(durations(path).size, 0);
  for (const [text, size] of [
    ["", 0],
    ["null", 0],
    ['{"a": "long", "b": 2}', 1],
  ] as const) {
    await writeFile(path, text);
    assert.equal(durations(path).size, size);
  }
});
