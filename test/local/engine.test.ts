import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { create } from "tar";
import { advice } from "../../local/engine-events.ts";
import { findTool } from "../../local/toolchain/index.ts";

test("a missing plugin is reported with a command that installs it where this engine looks", async () => {
  // Space and quote are meant: people keep their work in such folders.
  const folder = await mkdtemp(join(tmpdir(), "keyplane's engine-"));
  try {
    const engine = { home: join(folder, "home"), command: join(folder, "pulumi") };
    await mkdir(engine.home);
    await symlink(await findTool("pulumi", () => {}), engine.command);
    const text = advice(
      "Could not automatically download and install resource plugin 'pulumi-resource-vault' at version v7.8.0, install the plugin using `pulumi plugin install resource vault v7.8.0`: failed to download plugin",
      engine,
    );
    const [, command] = /`(PULUMI_HOME=.*? plugin install resource vault v7\.8\.0)`/.exec(text) ?? [];
    assert.ok(command !== undefined, text);
    await writeFile(join(folder, "pulumi-resource-vault"), "", { mode: 0o755 });
    await create({ cwd: folder, file: join(folder, "plugin.tar.gz"), gzip: true }, ["pulumi-resource-vault"]);
    await promisify(execFile)("sh", ["-c", `${command} --file plugin.tar.gz`], { cwd: folder });
    const installed = await readdir(join(engine.home, "plugins"));
    assert.ok(installed.includes("resource-vault-v7.8.0"), installed.join(" "));
  } finally {
    await rm(folder, { recursive: true });
  }
});
