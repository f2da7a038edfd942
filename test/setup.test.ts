import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

// setup.mjs in a folder of its own, with an `npm` on PATH that does what the test says and writes down each call.

test("installs the packages, then runs the command with the Node that came with them", async (t) => {
  const clone = await freshClone(t);
  assert.deepEqual(await clone.setup("-p", "process.execArgv.length + process.argv.length").ended, {
    code: 0,
    signal: null,
    stdout: "3\n",
    stderr: "Installing the packages of package-lock.json …\n",
  });
  assert.deepEqual(await clone.calls(), ["ci --no-audit --no-fund --loglevel=error"]);
});

test("installs nothing a second time, and anew once package-lock.json has changed", async (t) => {
  const clone = await freshClone(t);
  await clone.setup().ended;
  assert.equal((await clone.setup().ended).stderr, "");
  assert.equal((await clone.calls()).length, 1);
  await writeFile(join(clone.folder, "package-lock.json"), '{ "another": true }');
  assert.equal((await clone.setup().ended).code, 0);
  assert.equal((await clone.calls()).length, 2);
});

test("an installation that fails exits 3, says what to do, and is tried again by the next", async (t) => {
  const clone = await freshClone(t, "exit 1");
  const { code, stderr } = await clone.setup("-p", "1").ended;
  assert.equal(code, 3);
  assert.match(
    stderr,
    /^npm ci failed; .* Check the connection to the npm registry, then run this again\.$/m,
  );
  await clone.setup().ended;
  assert.equal((await clone.calls()).length, 2);
});

test("an npm that cannot be started exits 3 and is told with the reason", async (t) => {
  const clone = await freshClone(t);
  await rm(join(clone.folder, "bin"), { recursive: true });
  const { code, stderr } = await clone.setup().ended;
  assert.equal(code, 3);
  assert.match(stderr, /^npm could not be started \(spawn npm ENOENT\)\. Put the npm .* on PATH/m);
});

test("two at once install once: the second waits, says for whom, and runs its command then", async (t) => {
  const clone = await freshClone(t, `until [ -e go ]; do sleep 0.05; done`);
  const first = clone.setup("-p", "'first'");
  await said(first.child, /Installing/);
  const second = clone.setup("-p", "'second'");
  await said(second.child, /Waiting/);
  await writeFile(join(clone.folder, "go"), "");
  const ends = await Promise.all([first.ended, second.ended]);
  assert.deepEqual(
    ends.map(({ code, stdout }) => [code, stdout]),
    [
      [0, "first\n"],
      [0, "second\n"],
    ],
  );
  assert.match(ends[1].stderr, new RegExp(`^Waiting for process ${first.child.pid}, which installs here`));
  assert.equal((await clone.calls()).length, 1);
});

test("the lock of a process that has died is taken over", async (t) => {
  const clone = await freshClone(t);
  const dead = spawn("true");
  await new Promise((settle) => dead.once("close", settle));
  await writeFile(join(clone.folder, ".setup.lock"), String(dead.pid));
  assert.equal((await clone.setup("-p", "1").ended).code, 0);
  assert.equal((await clone.calls()).length, 1);
});

test("an npm whose setup was killed is waited for: it still writes", async (t) => {
  const clone = await freshClone(t, `until [ -e go ]; do sleep 0.05; done`);
  const first = clone.setup();
  await said(first.child, /Installing/);
  while ((await clone.calls()).length === 0) await sleep(20);
  first.child.kill("SIGKILL");
  const second = clone.setup("-p", "1");
  await said(second.child, /Waiting/);
  assert.equal((await clone.calls()).length, 1);
  await writeFile(join(clone.folder, "go"), "");
  assert.equal((await second.ended).code, 0);
});

for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"] as const) {
  test(`${signal} reaches the command, and its end is setup's`, async (t) => {
    const clone = await freshClone(t);
    const waits = `process.on("${signal}", () => process.exit(7)); console.error("up"); setInterval(() => {}, 1e6)`;
    const polite = clone.setup("-e", waits);
    await said(polite.child, /up/);
    polite.child.kill(signal);
    assert.equal((await polite.ended).code, 7);

    const plain = clone.setup("-e", 'console.error("up"); setInterval(() => {}, 1e6)');
    await said(plain.child, /up/);
    plain.child.kill(signal);
    assert.equal((await plain.ended).code, { SIGTERM: 143, SIGHUP: 129, SIGINT: 130 }[signal]);
  });
}

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

async function freshClone(t: TestContext, npm = "") {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-setup-"));
  t.after(() => rm(folder, { recursive: true }));
  const [bin, calls] = [join(folder, "bin"), join(folder, "calls")];
  await mkdir(bin);
  await copyFile("setup.mjs", join(folder, "setup.mjs"));
  await writeFile(join(folder, "package-lock.json"), "{}");
  await writeFile(calls, "");
  await writeFile(
    join(bin, "npm"),
    `#!/bin/sh
PATH=/bin:/usr/bin
echo "$*" >> calls
rm -rf node_modules
${npm}
mkdir -p node_modules/.bin
ln -s '${process.execPath}' node_modules/.bin/node
`,
    { mode: 0o700 },
  );
  return {
    folder,
    calls: async () => (await readFile(calls, "utf8")).split("\n").filter((line) => line !== ""),
    setup(...command: string[]): { child: ChildProcess; ended: Promise<Ended> } {
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const child = spawn(process.execPath, [join(folder, "setup.mjs"), ...command], {
        // Never this machine's npm.
        env: { ...env, PATH: bin },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const output = { stdout: "", stderr: "" };
      for (const stream of ["stdout", "stderr"] as const) {
        child[stream].setEncoding("utf8").on("data", (text: string) => {
          output[stream] += text;
        });
      }
      const ended = new Promise<Ended>((settle) =>
        child.once("close", (code, signal) => settle({ code, signal, ...output })),
      );
      return { child, ended };
    },
  };
}

/** Waits until a process has written something like this on standard error. */
async function said(child: ChildProcess, what: RegExp): Promise<void> {
  let text = "";
  await new Promise<void>((settle, reject) => {
    child.stderr?.on("data", (more: string) => {
      text += more;
      if (what.test(text)) settle();
    });
    child.once("close", () => reject(new Error(`It ended without ${what}: ${text}`)));
  });
}
