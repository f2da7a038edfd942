import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { test } from "node:test";

test("the pack's process ends when the engine that started it is gone", async () => {
  const pack = spawn(resolve("policies/analyzer"), ["127.0.0.1:1"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(pack, "exit");
  const [said] = (await once(pack.stdout, "data")) as [Buffer];
  assert.match(said.toString(), /^\d+\n$/);
  assert.equal(pack.exitCode, null);
  pack.stdin.end();
  assert.deepEqual(await ended, [0, null]);
});
