import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { requireBundles } from "../../infra/lambda-code.ts";
import { keyplane } from "./command.ts";

test("makes the functions of one environment where the program looks for them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-bundle-"));
  try {
    const env = { KEYPLANE_LAMBDAS: join(folder, "lambdas") };
    const { code, stdout, stderr } = await keyplane(["bundle", "--environment", "staging", "--json"], {
      env,
    });
    assert.equal(code, 0, stderr);
    const { functions } = JSON.parse(stdout) as {
      functions: Record<"rotate-due" | "rotate-postgres", string>;
    };
    requireBundles(functions, "staging");
    assert.deepEqual((await readdir(functions["rotate-due"])).sort(), ["index.mjs", "model.json"]);
    const shipped = JSON.parse(await readFile(join(functions["rotate-due"], "model.json"), "utf8"));
    assert.equal(shipped.model.environment, "staging");
    await rm(join(functions["rotate-postgres"], "index.mjs"));
    assert.throws(
      () => requireBundles(functions, "staging"),
      /rotate-postgres holds no code of a function: npx keyplane bundle --environment staging makes it$/,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("an environment without an AWS account has no functions: exit 2, and nothing is made", async () => {
  const { code, stderr } = await keyplane(["bundle", "--environment", "local"]);
  assert.equal(code, 2);
  assert.match(stderr, /local has no AWS account in the catalogue/);
});
