import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { runtime } from "@pulumi/pulumi";
import { parse } from "yaml";
import { settings } from "../../infra/settings.ts";

let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-settings-"));
});
after(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  delete process.env.KEYPLANE_BOOTSTRAP_PASSWORDS;
});

async function stack(name: string, config: Record<string, string> = {}): Promise<void> {
  const mocks = { call: () => ({}), newResource: () => ({ id: "", state: {} }) };
  await runtime.setMocks(mocks, "keyplane", name);
  runtime.setAllConfig(config);
}

async function passwords(text: string): Promise<string> {
  const file = join(folder, "passwords.json");
  await writeFile(file, text, { mode: 0o600 });
  process.env.KEYPLANE_BOOTSTRAP_PASSWORDS = file;
  return file;
}

const bundles = (folder: string) => ({
  "rotate-due": resolve(folder, "rotate-due"),
  "rotate-postgres": resolve(folder, "rotate-postgres"),
});

test("a stack that is named after its environment builds everything in it", async () => {
  await stack("staging");
  assert.deepEqual(settings(), {
    catalogue: resolve("catalogue"),
    environment: "staging",
    part: "all",
    bootstrapPasswords: {},
    lambdaCode: bundles(".keyplane/lambdas/staging"),
  });
});

test("a stack's name says its part, and its configuration may say otherwise", async () => {
  await stack("staging.payments");
  assert.equal(settings().part, "payments");
  await stack("blue", {
    "keyplane:environment": "staging",
    "keyplane:part": "platform",
    "keyplane:catalogue": "../other",
  });
  assert.deepEqual(settings(), {
    catalogue: resolve("..", "other"),
    environment: "staging",
    part: "platform",
    bootstrapPasswords: {},
    lambdaCode: bundles(".keyplane/lambdas/staging"),
  });
});

test("reads bootstrap passwords from the file that the environment names", async () => {
  await stack("staging");
  await passwords('{"titan.ledger": "first"}');
  assert.deepEqual(settings().bootstrapPasswords, { "titan.ledger": "first" });
});

test("says what is wrong with that file, and never what it holds", async () => {
  await stack("staging");
  const fix = 'write an object of connection names and passwords, such as {"titan.ledger": "…"}';
  let file = await passwords("the-value");
  assert.throws(settings, {
    message: `KEYPLANE_BOOTSTRAP_PASSWORDS names ${file}, which cannot be read as JSON: ${fix}`,
  });
  file = await passwords('["the-value"]');
  assert.throws(settings, { message: `${file} is not an object: ${fix}` });
  file = await passwords('{"titan.ledger": {"nested": "the-value"}}');
  assert.throws(settings, { message: `${file}: the password of "titan.ledger" is not a text: ${fix}` });
  file = await passwords('{"titan.ledger": ""}');
  assert.throws(settings, { message: `${file}: the password of "titan.ledger" is not a text: ${fix}` });
  process.env.KEYPLANE_BOOTSTRAP_PASSWORDS = join(folder, "absent.json");
  assert.throws(settings, { message: /absent\.json, which cannot be read as JSON/ });
});

test("what two real environments have in common stands in Pulumi.yaml: their own files hold differences only", async () => {
  const configOf = async (file: string) => {
    const { config } = parse(await readFile(file, "utf8")) as { config: Record<string, unknown> };
    return config;
  };
  const [staging, production] = [
    await configOf("Pulumi.staging.yaml"),
    await configOf("Pulumi.production.yaml"),
  ];
  const same = Object.keys(staging).filter((key) => staging[key] === production[key]);
  assert.deepEqual(same, []);
  assert.deepEqual(Object.keys(await configOf("Pulumi.yaml")), ["aws:region", "vault:skipChildToken"]);
});
