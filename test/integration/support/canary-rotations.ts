import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { instancesOf } from "../../../operations/delivery/instances.ts";
import { type Run, spawnKeyplane } from "./keyplane.ts";

export interface CanaryRotations {
  home: string;
  environment: Record<string, string>;
  /** Runs the command to its end, checks its exit code and keeps what it said. */
  run(command: string | string[], options?: { input?: string; code?: number }): Promise<unknown>;
  /** Keeps what a command said. */
  said(command: string, run: Run): void;
  plant(name: string, kind: string, allowed?: RegExp): string;
  /** What lies at a consumer's path. */
  read(consumer: string, secret: string): Promise<unknown>;
  /** Adds every value that Vault holds now: a rotation destroys the ones before. */
  capture(): Promise<void>;
}

const services = ["titan-brain", "titan-execution-rs", "titan-sentinel", "titan-ai-quant"];

/**
 * Rotates a secret of each way that a value can take: our own, a database user's, an encryption key, one that a person
 * gives; and kills a runner in the middle. The services are processes that `keyplane run` keeps up to date.
 */
export async function rotateEverything(canary: CanaryRotations): Promise<void> {
  const { run, plant, capture } = canary;
  await capture();
  await using _ = await supervised(canary);
  await run("rotate titan/hmac titan/documents --dry-run --json");
  await run("rotate titan/ledger-titan-brain --reason compromise --yes");
  await run("rotate titan/documents --json");
  const given = plant("a value that a person gives to a rotation", "api-key");
  await run("set titan/gemini --rotate", { input: given });
  await capture();
  await run("rotations resume titan/gemini --by ada --json");
  await killed(canary);
  await capture();
  await run("rotations titan/hmac titan/documents titan/gemini");
  await run("rotations --json");
  const argument = (what: string) => plant(`an argument ${what}`, "api-key", /^process arguments/);
  await run(["rotate", argument("for a secret to rotate")], { code: 2 });
  await run(["rotations", argument("for a secret to look at")], { code: 2 });
  await run(["rotations", "resume", "titan/gemini", "--by", argument("for who has revoked it")], { code: 2 });
}

/** A runner that is killed (`kill -9`) while a listener has the new value, and the signer has not. */
async function killed({ home, environment, said, read }: CanaryRotations): Promise<void> {
  const held = async () => JSON.stringify(await read("titan/titan-execution-rs", "titan/hmac"));
  const before = await held();
  const { child, ended } = spawnKeyplane(home, ["rotate", "titan/hmac"], { environment });
  // It watches its files and never reads them here: the rotation stays with it.
  while (child.exitCode === null && (await held()) === before) await sleep(50);
  child.kill("SIGKILL");
  const run = await ended;
  assert.equal(child.signalCode, "SIGKILL", run.stderr);
  said("keyplane rotate, killed", run);
}

/** titan's services, until the end. */
async function supervised({ home, environment, said }: CanaryRotations): Promise<AsyncDisposable> {
  const runs = services.map((name) => {
    const command = [process.execPath, "-e", "setInterval(() => {}, 1000)"];
    const words = ["run", `titan/${name}`, "--poll", "200ms", "--", ...command];
    return spawnKeyplane(home, words, { environment });
  });
  for (const [index, name] of services.entries()) {
    for (const end = Date.now() + 60_000; ; await sleep(50)) {
      if ((await instancesOf(join(home, "run"), `titan/${name}`)).length > 0) break;
      if (Date.now() < end && runs[index]?.child.exitCode === null) continue;
      assert.fail(`${name} does not run: ${(await runs[index]?.ended)?.stderr}`);
    }
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const { child } of runs) child.kill("SIGTERM");
      for (const { ended } of runs) said("keyplane run", await ended);
    },
  };
}
