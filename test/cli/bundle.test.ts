import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { requireBundles, sourcesFile } from "../../infra/lambda-code.ts";
import type { LambdaName } from "../../model/aws.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { keyplane } from "./command.ts";

const catalogue = resolve("catalogue");
const staging = derive(await loadCatalogue(catalogue), "staging");
const [due, postgres] = ["rotate-due", "rotate-postgres"] as const;

let folder: string;
let functions: Record<LambdaName, string>;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-bundle-"));
  const env = { KEYPLANE_LAMBDAS: join(folder, "lambdas") };
  const { code, stdout, stderr } = await keyplane(["bundle", "--environment", "staging", "--json"], { env });
  assert.equal(code, 0, stderr);
  functions = JSON.parse(stdout).functions;
});
after(() => rm(folder, { recursive: true, force: true }));

const makesIt = "npx keyplane bundle --environment staging makes it";

/** What the program says of the bundles once a file beside them, or of them, is another; the file is put back. */
async function refusedWith(file: string, text: string | undefined, model = staging, of = catalogue) {
  const before = await readFile(file, "utf8");
  await (text === undefined ? rm(file) : writeFile(file, text));
  try {
    requireBundles(functions, model, of);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await writeFile(file, before);
  }
}

test("makes the functions of one environment where the program looks for them", async () => {
  requireBundles(functions, staging, catalogue);
  assert.deepEqual((await readdir(functions[due])).sort(), ["index.mjs", "model.json"]);
  assert.deepEqual((await readdir(functions[postgres])).sort(), ["index.mjs", "model.json"]);
  for (const name of [due, postgres]) {
    const shipped = JSON.parse(await readFile(join(functions[name], "model.json"), "utf8"));
    assert.equal(shipped.model.environment, "staging");
  }
});

test("the program refuses a function without code, with the command that makes it", async () => {
  assert.equal(
    await refusedWith(join(functions[postgres], "index.mjs"), undefined),
    `${functions[postgres]} holds no code of a function: ${makesIt}`,
  );
  for (const name of [due, postgres]) {
    assert.equal(
      await refusedWith(join(functions[name], "model.json"), undefined),
      `${functions[name]} holds no model to rotate by: ${makesIt}`,
    );
  }
  assert.equal(
    await refusedWith(sourcesFile(functions[postgres]), undefined),
    `${functions[postgres]} does not say what it was made of: ${makesIt}`,
  );
});

test("the program refuses the functions of another environment", () => {
  const production = { ...staging, environment: "production" };
  assert.throws(() => requireBundles(functions, production, catalogue), {
    message: `${functions[due]} is the function of staging: npx keyplane bundle --environment production makes it`,
  });
});

test("the program refuses functions that are older than the catalogue, until they are made anew", async () => {
  const changed = join(folder, "catalogue");
  await cp(catalogue, changed, { recursive: true });
  const titan = join(changed, "systems", "titan.yaml");
  const text = await readFile(titan, "utf8");
  const rotate = "rotate: { every: 30d, overlap: 24h }";
  assert.equal(text.split(rotate).length, 2);
  await writeFile(titan, text.replace(rotate, "rotate: { every: 29d, overlap: 24h }"));
  const model = derive(await loadCatalogue(changed), "staging");
  assert.throws(() => requireBundles(functions, model, changed), {
    message:
      `${functions[due]} is older than the catalogue, which says something else of rotations by now: ` +
      `npx keyplane bundle --environment staging --catalogue ${changed} makes it`,
  });
  const env = { KEYPLANE_LAMBDAS: join(folder, "anew") };
  const args = ["bundle", "--environment", "staging", "--catalogue", changed, "--json"];
  const { stdout } = await keyplane(args, { env });
  requireBundles(JSON.parse(stdout).functions, model, changed);
});

test("the program refuses a function that does not know a user whom Secrets Manager keeps by now", async () => {
  const changed = join(folder, "more-users");
  await cp(catalogue, changed, { recursive: true });
  const titan = join(changed, "systems", "titan.yaml");
  const text = await readFile(titan, "utf8");
  const kept = "        secrets-manager: { read-by: [titan-rds-proxy] }\n";
  assert.equal(text.split(kept).length, 2);
  const more = `      titan-report:\n        member-of: ledger_reader\n        rotate: { every: 30d, overlap: 1h, method: alternating }\n${kept}`;
  await writeFile(titan, text.replace(kept, kept + more));
  const model = derive(await loadCatalogue(changed), "staging");
  assert.throws(() => requireBundles(functions, model, changed), {
    message:
      `${functions[postgres]} is older than the catalogue, which says something else of rotations by now: ` +
      `npx keyplane bundle --environment staging --catalogue ${changed} makes it`,
  });
});

test("the program refuses functions that are older than any of their sources", async () => {
  for (const name of [due, postgres]) {
    const file = sourcesFile(functions[name]);
    const sources: Record<string, string> = JSON.parse(await readFile(file, "utf8"));
    const paths = Object.keys(sources);
    for (const path of [
      `lambdas/${name}/handler.ts`,
      "operations/rotation/rotators/postgres.ts",
      "node_modules/pg/lib/client.js",
      "lambdas/bundle.ts",
      "node_modules/esbuild/package.json",
    ]) {
      assert.ok(paths.includes(path), `${path} of ${name}`);
      const then = JSON.stringify({ ...sources, [path]: "0".repeat(64) });
      assert.equal(
        await refusedWith(file, then),
        `${functions[name]} was made of another ${path}: ${makesIt}`,
      );
    }
    const gone = JSON.stringify({ "lambdas/gone.ts": "0".repeat(64), ...sources });
    assert.equal(
      await refusedWith(file, gone),
      `${functions[name]} was made of another lambdas/gone.ts: ${makesIt}`,
    );
  }
});

test("an environment without an AWS account has no functions: exit 2, and nothing is made", async () => {
  const { code, stderr } = await keyplane(["bundle", "--environment", "local"]);
  assert.equal(code, 2);
  assert.match(stderr, /local has no AWS account in the catalogue/);
});
