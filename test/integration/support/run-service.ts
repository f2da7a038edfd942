import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type Run, spawnKeyplane } from "./keyplane.ts";
import { type Said, type Shop, saidIn } from "./shop.ts";

export interface Running {
  /** What the service has said, once that is wanted. */
  said(wanted: (said: Said[]) => boolean): Promise<Said[]>;
  kill(signal: NodeJS.Signals): void;
  pid: number;
  ended: Promise<Run>;
  /** It alone: `ended` waits for whoever has its output, too. */
  gone: Promise<unknown>;
  home: string;
}

export interface Options {
  /** Instead of the reporter. */
  command?: string[];
  home?: string;
  /** Of the reporter. */
  traits?: string[];
  options?: string[];
  environment?: Record<string, string>;
}

let runs = 0;

/** `keyplane run` with a reporter; ends with the test, also when it fails. */
export async function runService(
  t: TestContext,
  shop: Shop,
  service: string,
  {
    command,
    home = join(shop.folder, `home-${runs}`),
    traits = [],
    options = ["--poll", "100ms"],
    environment = {},
  }: Options = {},
): Promise<Running> {
  const log = join(shop.folder, `said-${runs++}`);
  const { roleId, secretId } = await shop.appRole(service);
  const file = `${log}.secret-id`;
  await writeFile(file, `${secretId}\n`, { mode: 0o600 });
  const { child, ended } = spawnKeyplane(
    home,
    [
      ...["run", service, "--catalogue", shop.catalogue, "--environment", "staging", ...options, "--"],
      ...(command ?? [process.execPath, resolve("test/integration/services/reporter.mjs"), log, ...traits]),
    ],
    {
      environment: {
        VAULT_CACERT: shop.vault.caFile,
        VAULT_ROLE_ID: roleId,
        VAULT_SECRET_ID_FILE: file,
        ...environment,
      },
    },
  );
  const gone = once(child, "exit");
  const timely = inTime(ended);
  timely.catch(() => {});
  t.after(async () => {
    child.kill("SIGTERM");
    const last = (await readFile(log, "utf8").catch(() => "")).trimEnd().split("\n").at(-1);
    const stopped = await Promise.race([gone, wait(5000, undefined, { ref: false })]);
    if (stopped === undefined) {
      child.kill("SIGKILL");
      if (last) process.kill((JSON.parse(last) as Said).pid, "SIGKILL");
    }
  });
  return {
    said: (wanted) => saidIn(log, wanted),
    kill: (signal) => void child.kill(signal),
    pid: child.pid ?? 0,
    ended: timely,
    gone,
    home,
  };
}

/** A command that should have ended fails its test rather than holding up all of them. */
async function inTime(ended: Promise<Run>): Promise<Run> {
  const run = await Promise.race([ended, wait(60_000, undefined, { ref: false })]);
  assert.ok(run !== undefined, "keyplane run did not end within a minute");
  return run;
}
