import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

test("tests whose tools cannot be had end with the reason, the line that CI reads and exit 1", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-run-"));
  t.after(() => rm(folder, { recursive: true }));
  const child = spawn(process.execPath, ["test/run.ts", "local/lazy-sdk"], {
    env: { PATH: folder, HOME: folder, XDG_CACHE_HOME: folder, KEYPLANE_TOOLCHAIN: "path" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
    });
  }
  const code = await new Promise((settle) => child.once("close", settle));
  assert.deepEqual([code, output.stdout], [1, "0 passed, 1 failed\n"]);
  assert.match(output.stderr, /^age 1\.3\.1 could not be had\.$/m);
  assert.doesNotMatch(output.stderr, /^ +at /m);
});
