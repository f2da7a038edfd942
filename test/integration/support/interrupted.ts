import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Vault } from "../../../clients/vault.ts";
import { type Running, withRoot } from "./credentials.ts";
import { spawnKeyplane } from "./keyplane.ts";

/** Ctrl-C when a command has come so far: it ends as it should, and leaves nothing that only it could end. */
export async function assertInterrupted(
  running: Running,
  args: string[],
  reached: (run: ChildProcess) => Promise<void>,
): Promise<void> {
  const { home } = running.services;
  const { child, ended } = spawnKeyplane(home, args);
  await reached(child);
  child.kill("SIGINT");
  const { code, stdout, stderr } = await ended;
  assert.deepEqual([code, stdout], [4, ""], stderr);
  assert.match(stderr, /^error: Interrupted: run the same command again to carry on\.$/m);
  assert.deepEqual(await withRoot(running, platformTokens), [], "nobody is logged in any more");
  const locks = join(home, "pulumi", "backend", ".pulumi", "locks");
  const files = await readdir(locks, { recursive: true, withFileTypes: true });
  assert.deepEqual(
    files.filter((file) => file.isFile()).map(({ name }) => name),
    [],
  );
}

/** The platform's own roles whose tokens live. */
async function platformTokens(root: Vault): Promise<string[]> {
  const names: string[] = [];
  for (const accessor of await root.list("auth/token/accessors")) {
    const { data } = await root.write<{ policies: string[] }>("auth/token/lookup-accessor", { accessor });
    names.push(...data.policies.filter((name) => name.startsWith("keyplane.")));
  }
  return names;
}

/** Waits until a run has said this, or has ended. */
export async function said(run: ChildProcess, what: RegExp): Promise<void> {
  let text = "";
  await new Promise<void>((settle) => {
    run.once("close", () => settle());
    run.stderr?.on("data", (more: string) => {
      text += more;
      if (what.test(text)) settle();
    });
  });
}
