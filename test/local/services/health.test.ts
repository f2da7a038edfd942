import assert from "node:assert/strict";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { adviceFor, lastLines } from "../../../local/services/health.ts";
import { temporaryFolder } from "./temporary-folder.ts";

for (const [line, advice] of [
  [
    "listen tcp 127.0.0.1:8200: bind: address already in use",
    /Run `keyplane up` again: it will use another port/,
  ],
  ['FATAL:  could not open file "x": Permission denied', /Give the state folder back/],
  ["error while loading shared libraries: libssl.so.1.1: cannot open shared object file", /npm ci/],
  ["could not write: No space left on device", /The disk is full/],
  ["accept4: too many open files", /ulimit -n/],
  ["panic: something new", /keyplane down/],
] as const) {
  test(`says what to do about "${line}"`, () => {
    assert.match(adviceFor(["starting", line]), advice);
  });
}

test("quotes only what was logged since the start, and of that the end", async (t) => {
  const log = join(await temporaryFolder(t), "vault.log");
  await writeFile(log, "of an earlier start\n");
  const from = Buffer.byteLength("of an earlier start\n");
  await appendFile(log, Array.from({ length: 20 }, (_, index) => `line ${index + 1}\n`).join(""));
  assert.deepEqual(await lastLines(log, from, 2), ["line 19", "line 20"]);
  assert.equal((await lastLines(log, from, 100))[0], "line 1");
});

test("a log that is not there has no lines", async (t) => {
  assert.deepEqual(await lastLines(join(await temporaryFolder(t), "absent.log"), 0), []);
});
