import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

/** What a process says that imports the SDK, with it made lazy or not, and then serializes a function. */
async function serialized(lazily: boolean): Promise<{ atStart: string[]; text: string; paths: number }> {
  const program = `
    import { createRequire } from "node:module";
    import { types } from "node:util";
    import { loadSdkLazily } from "./local/lazy-sdk.ts";
    if (${lazily}) loadSdkLazily();
    const { runtime } = await import("@pulumi/pulumi");
    const atStart = Object.values(createRequire(import.meta.url).cache)
      .filter(({ exports }) => !types.isProxy(exports))
      .map(({ filename }) => /[/](typescript[/]lib[/]typescript|arborist[/]lib[/]index|normalize-package-data[/]lib[/]normalize|automation[/]index|semver[/]index)[.]js$/.exec(filename)?.[1].split("/")[0])
      .filter((name) => name !== undefined)
      .sort();
    const three = 3;
    const { text } = await runtime.serializeFunction((by) => by * three);
    const paths = await runtime.computeCodePaths({ extraIncludePackages: ["yaml"] });
    console.log(JSON.stringify({ atStart, text, paths: paths.size }));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program]);
  return JSON.parse(stdout);
}

test("the SDK starts without the compiler that it does not need here, and has it where it does", async () => {
  const [usual, lazy] = await Promise.all([serialized(false), serialized(true)]);
  assert.deepEqual(usual.atStart, [
    "arborist",
    "automation",
    "normalize-package-data",
    "semver",
    "typescript",
  ]);
  assert.deepEqual(lazy, { ...usual, atStart: [] });
  assert.match(lazy.text, /by \* three/);
});

test("what drives an engine is there for who imports it", async () => {
  const program = `
    import { loadSdkLazily } from "./local/lazy-sdk.ts";
    loadSdkLazily();
    const { automation } = await import("@pulumi/pulumi");
    const { LocalWorkspace } = await import("@pulumi/pulumi/automation/index.js");
    console.log(typeof LocalWorkspace.createOrSelectStack, automation.LocalWorkspace === LocalWorkspace);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program]);
  assert.equal(stdout, "function true\n");
});

test("where TypeScript is not installed, as by npm ci --omit=dev, the SDK is started all the same", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-sdk-"));
  t.after(() => rm(folder, { recursive: true }));
  const sdk = join(folder, "node_modules", "@pulumi", "pulumi");
  await mkdir(sdk, { recursive: true });
  await writeFile(join(sdk, "index.js"), "exports.started = true;");
  await cp("local/lazy-sdk.ts", join(folder, "lazy-sdk.ts"));
  const program = `
    import { loadSdkLazily } from "./lazy-sdk.ts";
    loadSdkLazily();
    console.log((await import("@pulumi/pulumi")).started);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: folder,
  });
  assert.equal(stdout, "true\n");
});
