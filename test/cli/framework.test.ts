import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { entry, keyplane } from "./command.ts";

const commands = [
  ["up"],
  ["down"],
  ["status"],
  ["bundle"],
  ["validate"],
  ["set"],
  ["enrol"],
  ["sops", "config"],
  ["sops", "encrypt"],
];

for (const command of commands) {
  test(`keyplane ${command.join(" ")} --help explains itself with an example and the common options`, async () => {
    const { code, stdout, stderr } = await keyplane([...command, "--help"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, new RegExp(`Examples?:\\n  \\$ .*keyplane ${command.join(" ")}`));
    for (const option of ["--catalogue <folder>", "--environment <name>", "--json", "--dry-run", "--help"]) {
      assert.ok(stdout.includes(option), option);
    }
  });
}

test("the overview names every command and what it does", async () => {
  const { code, stdout } = await keyplane(["--help"]);
  assert.equal(code, 0);
  for (const name of new Set(commands.map(([first]) => first)))
    assert.match(stdout, new RegExp(`\n  ${name} +\\w`));
});

test("without a command it explains itself and exits 2", async () => {
  const { code, stderr } = await keyplane([]);
  assert.equal(code, 2);
  assert.match(stderr, /Usage: keyplane <command>/);
});

test("an unknown command gets a suggestion and exit 2", async () => {
  assert.deepEqual(await keyplane(["valdate"]), {
    code: 2,
    stdout: "",
    stderr: "error: unknown command 'valdate'\n(Did you mean validate?)\n",
  });
});

test("an unknown option gets a suggestion and exit 2", async () => {
  assert.deepEqual(await keyplane(["validate", "--jsom"]), {
    code: 2,
    stdout: "",
    stderr: "error: unknown option '--jsom'\n(Did you mean --json?)\n",
  });
});

test("with --json wrong usage is one JSON document on standard output", async () => {
  const { code, stdout, stderr } = await keyplane(["validate", "--json", "--jsom"]);
  assert.deepEqual([code, stderr], [2, ""]);
  assert.deepEqual(JSON.parse(stdout), {
    error: { name: "UsageError", message: "unknown option '--jsom'\n(Did you mean --json?)" },
    exit: 2,
  });
});

for (const args of [
  ["set", "titan/gemini", "--valeu=hunter2hunter2"],
  ["set", "titan/gemini", "-phunter2hunter2"],
  ["set", "titan/gemini", "hunter2hunter2"],
  ["set", "hunter2hunter2"],
  ["set", "titan/gemini", "--field", "hunter2/hunter2"],
]) {
  test(`a value on the command line is refused and not repeated (R54): ${args.join(" ")}`, async () => {
    for (const json of [[], ["--json"]]) {
      const { code, stdout, stderr } = await keyplane([...args, ...json]);
      assert.equal(code, 2);
      assert.ok(!`${stdout}${stderr}`.includes("hunter2"), stdout + stderr);
    }
  });
}

test("a reader that has seen enough is no error", async () => {
  const child = spawn(process.execPath, [entry, "validate", "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const [code] = await once(child, "close");
  assert.deepEqual([code, stderr], [0, ""]);
});

test("Ctrl-C while it waits for standard input ends it with nothing done", async () => {
  const child = spawn(process.execPath, [entry, "set", "titan/gemini"], { stdio: ["pipe", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    if (text.includes("reading standard input")) child.kill("SIGINT");
    stderr += text;
  });
  const [code] = await once(child, "close");
  assert.equal(code, 4);
  assert.match(stderr, /Interrupted/);
});

test("Ctrl-C ends a command that does not watch for it at once, with 130", async () => {
  const child = spawn(process.execPath, [entry, "enrol", "--unwrap"], { stdio: ["pipe", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
    if (stderr.includes("reading the token")) child.kill("SIGINT");
  });
  const [code] = await once(child, "close");
  assert.deepEqual([code, stderr.includes("error")], [130, false]);
});

test("Ctrl-C lets a command that watches for it stop between two steps, with exit 4", async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "interruptible.ts")], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stderr.setEncoding("utf8").on("data", (text) => {
    if (stderr === "") child.kill("SIGINT");
    stderr += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  const [code] = await once(child, "close");
  assert.deepEqual([code, stdout], [4, "started\ncleaned up\n"]);
  assert.match(stderr, /Stopping after this step/);
  assert.match(stderr, /run the same command again/);
});

test("the same signal by two ways is one: npm hands on what a terminal or `timeout` sends to all", async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "interruptible.ts")], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  assert.deepEqual([code, stdout], [4, "started\ncleaned up\n"]);
});

test("a second Ctrl-C ends at once, with 130", async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "interruptible.ts"), "slow"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  await once(child.stdout, "data");
  child.kill("SIGINT");
  await wait(1000);
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  assert.deepEqual([code, stdout], [130, "started\n"]);
});

test("only what a command needs is loaded: validate loads neither Pulumi nor a client", async () => {
  const hook =
    'import { registerHooks } from "node:module"; registerHooks({ load(url, context, next) { process.stderr.write("loads " + url + "\\n"); return next(url, context); } });';
  const { code, stderr } = await keyplane(["validate"], {
    node: ["--import", `data:text/javascript,${encodeURIComponent(hook)}`],
  });
  assert.equal(code, 0);
  const loaded = stderr.split("\n").filter((line) => line.startsWith("loads "));
  assert.ok(loaded.some((line) => line.endsWith("/model/derive.ts")));
  const heavy = loaded.filter((line) =>
    /@pulumi|grpc|undici|\/pg\/|jose|\/infra\/|\/local\/(?!cache-home|compile-cache|lazy-sdk)|\/clients\//.test(
      line,
    ),
  );
  assert.deepEqual(heavy, []);
});
