import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { pins, type ToolName } from "../../../local/toolchain/pins.ts";
import { Toolchain } from "../../../local/toolchain/toolchain.ts";
import type { Step } from "../../../operations/progress.ts";
import { folder, gadget, nobody, official, pathWithGo, platform, texts, vendorOf, world } from "./fakes.ts";

const nowhere = await nobody();
const { host } = new URL(nowhere);

test("builds with exactly the flags that make the result the same everywhere, and the machine's own settings", async (t) => {
  const said = join(await folder(t), "said");
  const go = [
    `printf '%s\\n' "$@" "$PWD" "$GOFLAGS" "$GOTOOLCHAIN" "$CGO_ENABLED" "$GOOS/$GOARCH" "$GOWORK" > ${said}`,
    "exit 1",
  ].join("\n");
  const { toolchain, report, settings } = await world(t, [gadget(nowhere)], {
    ways: ["build"],
    environment: {
      PATH: await pathWithGo(t, go),
      GOFLAGS: "-p=1",
      GOTOOLCHAIN: "local",
      GOOS: "js",
      CGO_ENABLED: "1",
    },
  });
  await assert.rejects(toolchain.find("gadget", report));
  const lines = (await readFile(said, "utf8")).trimEnd().split("\n");
  const into = lines[8];
  assert.ok(into?.startsWith(join(settings.cache, "gadget-1.2.3-linux-amd64.new-")) && into.endsWith("/"));
  assert.deepEqual(lines, [
    ...["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-v", "-ldflags", "-s", "-o", into],
    "gadget.example/cmd/gadget",
    import.meta.dirname,
    ...["-p=1", "local", "0", "linux/amd64", "off"],
  ]);
});

test("says how long a build has run, what it downloaded and what it compiled", async (t) => {
  const go = [
    'while [ "$1" != -o ]; do shift; done',
    "echo 'go: downloading example.com/a v1.0.0' >&2",
    "echo example.com/a >&2; echo example.com/a/b >&2",
    "sleep 2.2",
    `printf '#!/bin/sh\\necho gadget v1.2.3\\n' > "$2gadget"; chmod 755 "$2gadget"`,
  ].join("\n");
  const { toolchain, report, steps } = await world(t, [gadget(nowhere)], {
    ways: ["build"],
    environment: { PATH: await pathWithGo(t, go) },
  });
  await toolchain.find("gadget", report);
  assert.deepEqual(texts(steps, "started"), ["building 1.2.3 from Go modules, about 1 min the first time"]);
  assert.match(
    texts(steps, "progress").at(-1) ?? "",
    /^building for [23] s; modules downloaded: 1, packages compiled: 2$/,
  );
  assert.deepEqual(texts(steps, "done"), ["1.2.3, built"]);
});

test("without Go, the error names the tool, its version and the three ways to get it", async (t) => {
  const { toolchain, report, steps, cached } = await world(t, [gadget(nowhere)], {
    environment: { PATH: await folder(t) },
  });
  await assert.rejects(toolchain.find("gadget", report), {
    name: "ToolchainError",
    message: [
      "gadget 1.2.3 could not be had.",
      "What was tried:",
      `  - download: ${host} did not answer (connect ECONNREFUSED ${host})`,
      "  - build: there is no `go` on PATH",
      "Any one of these is enough:",
      "  1. put gadget 1.2.3 on PATH (https://gadget.example/1.2.3)",
      `  2. let this machine reach ${nowhere}/gadget`,
      "  3. install Go 1.26 or later and let it reach its module proxy: Keyplane then builds it",
    ].join("\n"),
  });
  assert.deepEqual(texts(steps, "failed"), ["1.2.3 could not be had"]);
  assert.deepEqual(await cached(), []);
});

test("does not take a folder named go, such as the one in /usr/local, for Go", async (t) => {
  const folders = await folder(t);
  await mkdir(join(folders, "go"));
  const { toolchain, report } = await world(t, [gadget(nowhere)], {
    ways: ["build"],
    environment: { PATH: `${folders}:${await pathWithGo(t)}` },
  });
  assert.match(await toolchain.find("gadget", report), /gadget$/);
});

test("repeats what Go said when a build fails, without the packages that went well", async (t) => {
  const go =
    "echo example.com/fine >&2; echo 'example.com/bad: verifying module: checksum mismatch' >&2; exit 1";
  const { toolchain, report, cached } = await world(t, [gadget(nowhere)], {
    ways: ["build"],
    environment: { PATH: await pathWithGo(t, go) },
  });
  await assert.rejects(toolchain.find("gadget", report), (error: Error) => {
    assert.ok(
      error.message.includes(
        "- build: go build ended with 1: example.com/bad: verifying module: checksum mismatch\n",
      ),
    );
    return true;
  });
  assert.deepEqual(await cached(), []);
});

test("builds one tool at a time, however many are asked for", async (t) => {
  const running = join(await folder(t), "running");
  const go = [
    'while [ "$1" != -o ]; do shift; done',
    `mkdir ${running} || exit 9`,
    "sleep 0.2",
    `for name in gadget widget; do printf '#!/bin/sh\\necho v1.2.3\\n' > "$2$name"; chmod 755 "$2$name"; done`,
    `rmdir ${running}`,
  ].join("\n");
  const widget = { ...gadget(nowhere), name: "widget", executables: { widget: ["--version"] } };
  const { toolchain, report } = await world(t, [gadget(nowhere), widget], {
    ways: ["build"],
    environment: { PATH: await pathWithGo(t, go) },
  });
  await Promise.all([toolchain.find("gadget", report), toolchain.find("widget", report)]);
});

test("a tool in the cache is had at once while another one is being built", async (t) => {
  const { url } = await vendorOf(t, official);
  const slow = { ...gadget(nowhere), name: "widget", executables: { widget: ["--version"] } };
  const { toolchain, report, steps, settings } = await world(t, [gadget(url), slow], {
    environment: { PATH: await pathWithGo(t, "sleep 1; exit 1") },
  });
  await toolchain.find("gadget", report);
  const later = new Toolchain({ ...settings, ways: ["build"] });
  const built = assert.rejects(later.find("widget", report), { name: "ToolchainError" });
  await later.find("gadget", report);
  assert.deepEqual(texts(steps, "failed"), []);
  await built;
});

test("builds the real age from its pinned modules, also under hostile settings of Go", async (t) => {
  const steps: Step[] = [];
  const cache = join(await folder(t), "cache");
  const workspace = join(await folder(t), "go.work");
  await mkdir(cache);
  const toolchain = new Toolchain<ToolName>({
    packages: pins,
    cache,
    platform: `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`,
    environment: { ...process.env, GOFLAGS: "-mod=mod -buildvcs=true", GOWORK: workspace, CGO_ENABLED: "1" },
    ways: ["build"],
  });
  const module = join(import.meta.dirname, "../../../local/toolchain/age");
  const pinned = () => Promise.all(["go.mod", "go.sum"].map((file) => readFile(join(module, file), "utf8")));
  const before = await pinned();
  const { age, "age-keygen": keygen } = await toolchain.ensure(["age", "age-keygen"], (step) => {
    steps.push(step);
  });
  assert.deepEqual(await pinned(), before);
  assert.equal(execFileSync(age, ["--version"], { encoding: "utf8" }), "v1.3.1\n");
  const identity = execFileSync(keygen, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const recipient = /age1[0-9a-z]{58}/.exec(identity)?.[0];
  assert.ok(recipient !== undefined);
  const encrypted = execFileSync(age, ["-r", recipient], { input: "a test" });
  assert.ok(encrypted.toString("latin1").startsWith("age-encryption.org/v1\n"));
  assert.equal(texts(steps, "done").length, 1);
});

test("names the platform of this machine as the vendors do", async () => {
  const { platformOf } = await import("../../../local/toolchain/package.ts");
  assert.equal(platformOf("linux", "x64"), platform);
  assert.equal(platformOf("darwin", "arm64"), "darwin-arm64");
});
