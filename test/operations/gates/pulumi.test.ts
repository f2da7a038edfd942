import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pulumiIn } from "../../../operations/gates/pulumi.ts";

const folder = await mkdtemp(join(tmpdir(), "keyplane-gates-"));
after(() => rm(folder, { recursive: true, force: true }));

/** Stands for the engine: it makes its logs' folder as the engine does, and says what its home holds. */
const engine = join(folder, "pulumi");
await writeFile(
  engine,
  `#!/bin/sh
mkdir -p "$PULUMI_HOME/logs" 2>/dev/null && echo "a secret" > "$PULUMI_HOME/logs/pulumi-policy_analyze.log"
cat "$PULUMI_HOME/credentials.json"
echo "$PULUMI_HOME" >&2
exit 3
`,
);
await chmod(engine, 0o700);

test("what the gates ask of Pulumi is asked with its login and leaves no log, which would hold secrets in clear (R54)", async () => {
  const home = join(folder, "home");
  await mkdir(join(home, "logs"), { recursive: true });
  await writeFile(join(home, "credentials.json"), "a login");
  const { code, stdout, stderr } = await pulumiIn(folder, engine, { PULUMI_HOME: home })([]);
  assert.deepEqual({ code, stdout }, { code: 3, stdout: "a login" });
  assert.deepEqual(await readdir(join(home, "logs")), []);
  await assert.rejects(readdir(stderr.trim()), { code: "ENOENT" });
});

test("a Pulumi that cannot be run is said, and leaves no home behind", async () => {
  await assert.rejects(pulumiIn(folder, join(folder, "none"), { PULUMI_HOME: folder })([]), {
    code: "ENOENT",
  });
});
