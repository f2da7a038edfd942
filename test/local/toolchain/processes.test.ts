import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ToolchainSettings } from "../../../local/toolchain/toolchain.ts";
import { type Fake, folder, gadget, nobody, official, pathWithGo, vendor, world } from "./fakes.ts";

const entry = "gadget-1.2.3-linux-amd64";

interface Run {
  child: ChildProcess;
  stderr: () => string;
  /** Its exit status, or the signal that ended it. */
  ended: Promise<unknown>;
}

/** Another process that finds `gadget` with the same settings. */
function anotherProcess(test: TestContext, settings: ToolchainSettings<Fake>): Run {
  const script = join(import.meta.dirname, "toolchain-process.ts");
  const child = spawn(process.execPath, [script, JSON.stringify(settings)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ended = once(child, "close").then(([code, signal]) => signal ?? code);
  test.after(() => child.kill("SIGKILL"));
  return { child, stderr: () => said, ended };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 600; turn++) {
    if (holds()) return;
    await sleep(50);
  }
  throw new Error(`it did not happen within 30 s: ${what}`);
}

test("two processes at once download once, and the second waits and uses the first's", async (t) => {
  let finish = () => {};
  const { url, paths } = await vendor(t, (_, response) => {
    response.write(official.subarray(0, 10));
    finish = () => response.end(official.subarray(10));
  });
  const { settings, cached } = await world(t, [gadget(url)]);
  const first = anotherProcess(t, settings);
  await until("the first asks the vendor", () => paths.length === 1);
  const second = anotherProcess(t, settings);
  await until("the second waits", () => second.stderr().includes("waiting"));
  finish();
  assert.deepEqual(await Promise.all([first.ended, second.ended]), [0, 0]);
  assert.equal(paths.length, 1);
  assert.match(
    second.stderr(),
    /^progress: waiting for another keyplane command to end \(process \d+, since \S+\)\n/,
  );
  assert.match(second.stderr(), /done: 1\.2\.3, made by another run\n$/);
  assert.deepEqual(await cached(), [entry]);
});

for (const signal of ["SIGKILL", "SIGINT"] as const) {
  test(`a run ended by ${signal} in the middle of a download leaves nothing that the next one trusts or waits for`, async (t) => {
    let killed = false;
    const { url, paths } = await vendor(t, (_, response) => {
      if (killed) response.end(official);
      else response.write(official.subarray(0, 10));
    });
    const { settings, again, report, steps, cached } = await world(t, [gadget(url)]);
    const run = anotherProcess(t, settings);
    await until("it has received something", () => run.stderr().includes("downloaded"));
    run.child.kill(signal);
    assert.equal(await run.ended, signal);
    killed = true;
    const left = await cached();
    assert.ok(left.some((name) => name.startsWith(`${entry}.new-`)));
    assert.ok(!left.includes(entry));
    const file = await again().find("gadget", report);
    assert.equal(execFileSync(file, { encoding: "utf8" }), "gadget v1.2.3\nofficial\n");
    assert.equal(paths.length, 2);
    assert.deepEqual(await cached(), [entry]);
    assert.ok(steps.every(({ text }) => !text.includes("waiting")));
  });
}

test("a run killed in the middle of a build leaves no build running, and nothing that the next one trusts", async (t) => {
  const pid = join(await folder(t), "pid");
  const half = [
    'while [ "$1" != -o ]; do shift; done',
    'printf "#!/bin/sh\\necho gadget v1.2.3; echo half" > "$2gadget"; chmod 755 "$2gadget"',
    `echo $$ > ${pid}`,
    "while :; do echo gadget.example/half >&2; sleep 0.1; done",
  ].join("\n");
  const { settings, again, report, cached } = await world(t, [gadget(await nobody())], {
    ways: ["build"],
    environment: { PATH: await pathWithGo(t, half) },
  });
  const run = anotherProcess(t, settings);
  await until("a package is compiled", () => run.stderr().includes("packages compiled"));
  const go = Number(await readFile(pid, "utf8"));
  t.after(() => isRunning(go) && process.kill(go));
  assert.equal(isRunning(go), true);
  run.child.kill("SIGKILL");
  await run.ended;
  await until("go is gone", () => !isRunning(go));
  const file = await again({ environment: { PATH: await pathWithGo(t) } }).find("gadget", report);
  assert.equal(execFileSync(file, { encoding: "utf8" }), "gadget v1.2.3\nbuilt\n");
  assert.deepEqual(await cached(), [entry]);
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
