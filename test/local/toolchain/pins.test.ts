import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type ToolName, waysOf } from "../../../local/toolchain/index.ts";
import { pins } from "../../../local/toolchain/pins.ts";

const moduleOf: Record<string, string> = {
  pulumi: "github.com/pulumi/pulumi/pkg/v3",
  vault: "github.com/hashicorp/vault",
  sops: "github.com/getsops/sops/v3",
  age: "filippo.io/age",
  etcd: "go.etcd.io/etcd/server/v3",
  "kube-apiserver": "k8s.io/kubernetes",
  "nats-server": "github.com/nats-io/nats-server/v2",
  minio: "github.com/minio/minio",
  actionlint: "github.com/rhysd/actionlint",
};

/** Every name that findTool takes: the compiler sees to that. */
const names: Record<ToolName, true> = {
  actionlint: true,
  age: true,
  "age-keygen": true,
  etcd: true,
  "kube-apiserver": true,
  minio: true,
  "nats-server": true,
  pulumi: true,
  sops: true,
  vault: true,
};

test("every tool that can be asked for has exactly one pin", () => {
  const pinned = pins.flatMap((pin) => Object.keys(pin.executables));
  assert.deepEqual(pinned.toSorted(), Object.keys(names));
});

for (const pin of pins) {
  test(`go.mod and go.sum pin ${pin.name} ${pin.version}, and nothing is replaced by a folder`, async () => {
    const mod = await readFile(join(pin.build.folder, "go.mod"), "utf8");
    const sum = await readFile(join(pin.build.folder, "go.sum"), "utf8");
    const module = moduleOf[pin.name];
    assert.ok(module !== undefined);
    assert.match(mod, new RegExp(`\\s${module} v${pin.version}( |\n)`));
    assert.match(sum, new RegExp(`^${module} v${pin.version} h1:`, "m"));
    for (const source of pin.build.packages) assert.ok(mod.includes(source));
    const replacements = mod.split("\n").filter((line) => line.includes("=>"));
    for (const line of replacements) assert.match(line, /^\s*(replace )?(\S+) => \2 v\d\S*$/);
  });
}

for (const pin of pins.filter(({ downloads }) => Object.keys(downloads).length > 0))
  test(`every download of ${pin.name} is the pinned version over HTTPS with its own SHA-256`, () => {
    const downloads = Object.entries(pin.downloads);
    assert.deepEqual(
      downloads.map(([platform]) => platform),
      ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"],
    );
    for (const [platform, download] of downloads) {
      assert.ok(download !== undefined);
      const url = new URL(download.url);
      assert.equal(url.protocol, "https:");
      assert.ok(url.pathname.includes(pin.version));
      assert.ok(url.pathname.includes(platform.split("-")[0] ?? ""));
      assert.match(download.sha256, /^[0-9a-f]{64}$/);
      assert.deepEqual(Object.keys(download.members), Object.keys(pin.executables));
    }
    assert.equal(new Set(downloads.map(([, download]) => download?.sha256)).size, downloads.length);
  });

test("KEYPLANE_TOOLCHAIN narrows the ways, in the order in which they are always tried", () => {
  assert.deepEqual(waysOf(undefined), ["path", "download", "build"]);
  assert.deepEqual(waysOf(""), ["path", "download", "build"]);
  assert.deepEqual(waysOf("build"), ["build"]);
  assert.deepEqual(waysOf("build, path"), ["path", "build"]);
});

test("refuses a KEYPLANE_TOOLCHAIN that names no way, and says what to write", () => {
  assert.throws(() => waysOf("compile"), {
    name: "ToolchainError",
    message: 'KEYPLANE_TOOLCHAIN is "compile": write one or more of path, download, build, with commas',
  });
});
