import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pg from "pg";
import { Provider } from "../../local/providers/provider.ts";
import { vaultKinds } from "../../local/providers/vault/index.ts";
import { ProgramStack, type Run } from "./providers-stack.ts";

let stack: ProgramStack;
let planned: Run;
let first: Run;
let bootstrap: string;

before(async () => {
  stack = await ProgramStack.start();
  bootstrap = stack.bootstrapPasswords["titan.ledger"] ?? "";
  planned = await stack.preview();
  first = await stack.up();
  stack.bootstrapPasswords = {};
});
after(() => stack?.[Symbol.asyncDispose]());

/** What Postgres says to a login: "in", or the SQLSTATE of the refusal. */
async function login(user: string, password: string): Promise<string> {
  const [database] = stack.model.databases;
  const client = new pg.Client({
    host: "127.0.0.1",
    port: stack.services.postgres.port,
    database: database?.database ?? "",
    user,
    password,
  });
  try {
    await client.connect();
    return "in";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await client.end();
  }
}

const manager = () => stack.model.databases[0]?.manager ?? "";

test("previews everything before anything exists, unknown accessors and ids included", async () => {
  assert.deepEqual(planned.steps, first.steps);
  assert.ok(first.steps.every((step) => step.startsWith("create ")));
});

test("changes nothing the second time", async () => {
  assert.deepEqual((await stack.up()).steps, []);
});

test("the bootstrap password is dead when the update ends, and Vault's own works", async () => {
  assert.notEqual(bootstrap, "");
  assert.equal(await login(manager(), bootstrap), "28P01");
  const issued = await stack.vault.read<{ username: string; password: string }>(
    "database/creds/titan.ledger.quant",
  );
  assert.equal(await login(issued?.username ?? "", issued?.password ?? ""), "in");
});

test("the bootstrap password lies nowhere in the state folder: state, backups, logs", async () => {
  const files = (await readdir(stack.home, { recursive: true, withFileTypes: true })).filter((file) =>
    file.isFile(),
  );
  assert.ok(files.some(({ name }) => name === "local.json"));
  const encodings = [
    bootstrap,
    Buffer.from(bootstrap).toString("base64"),
    Buffer.from(bootstrap).toString("hex"),
  ];
  const found: string[] = [];
  for (const file of files) {
    const path = join(file.parentPath, file.name);
    const bytes = await readFile(path);
    if (encodings.some((text) => bytes.includes(text))) found.push(path);
  }
  assert.deepEqual(found, []);
});

test("replaces an audit device in place and leaves the other one alone (R51)", async () => {
  const { model } = stack;
  stack.model = {
    ...model,
    vault: {
      ...model.vault,
      audit: model.vault.audit.map((device) =>
        device.name === "first"
          ? { ...device, options: { file_path: `${device.options.file_path}.moved` } }
          : device,
      ),
    },
  };
  const { steps } = await stack.up();
  assert.deepEqual(
    steps.filter((step) => !step.endsWith("Audit audit-first")),
    [],
  );
  assert.ok(steps.length > 0);
  const devices = await stack.vault.read<Record<string, { options: { file_path: string } }>>("sys/audit");
  assert.deepEqual(Object.keys(devices ?? {}).sort(), ["first/", "second/"]);
  assert.match(devices?.["first/"]?.options.file_path ?? "", /audit\.log\.moved$/);
});

test("deletes a policy that the model no longer has", async () => {
  const { model } = stack;
  stack.model = { ...model, policies: model.policies.filter(({ name }) => name !== "soma.gateway") };
  assert.deepEqual((await stack.up()).steps, ["delete Policy soma.gateway"]);
  assert.equal(await stack.vault.read("sys/policies/acl/soma.gateway"), undefined);
});

test("refuses to delete a key that the catalogue no longer names, and says why (safe removal)", async () => {
  const { model } = stack;
  stack.model = { ...model, encryptionKeys: [] };
  await assert.rejects(stack.up(), /titan\.documents" cannot be deleted\s+because it is protected/);
  assert.notEqual(await stack.vault.read("transit/keys/titan.documents"), undefined);
  stack.model = model;
  assert.deepEqual((await stack.preview()).steps, []);
});

test("deletes a retired key in two explicit changes: first the guard goes, then the key", async () => {
  const { model } = stack;
  const retired = { since: "2026-01-01", reason: "moved", delete: true };
  stack.model = { ...model, encryptionKeys: model.encryptionKeys.map((key) => ({ ...key, retired })) };
  assert.deepEqual((await stack.up()).steps, ["update SecretBackendKey titan.documents"]);
  assert.notEqual(await stack.vault.read("transit/keys/titan.documents"), undefined);
  stack.model = { ...model, encryptionKeys: [] };
  assert.deepEqual((await stack.up()).steps, ["delete SecretBackendKey titan.documents"]);
  assert.equal(await stack.vault.read("transit/keys/titan.documents"), undefined);
});

test("a connection that someone deleted comes back with a new bootstrap password, which dies as well", async () => {
  await stack.vault.delete("database/config/titan.ledger");
  await stack.prepareDatabases();
  const second = stack.bootstrapPasswords["titan.ledger"] ?? "";
  assert.equal(await login(manager(), second), "in");
  const { steps } = await stack.up({ refresh: true });
  assert.ok(steps.includes("create SecretBackendConnection titan.ledger-connection"), steps.join(", "));
  assert.ok(steps.includes("update Endpoint titan.ledger-rotate-root"), steps.join(", "));
  assert.equal(await login(manager(), second), "28P01");
  stack.bootstrapPasswords = {};
  assert.deepEqual((await stack.preview()).steps, []);
});

test("says nothing of a password that Postgres refuses", async () => {
  const { model } = stack;
  const [ledger] = model.databases;
  assert.ok(ledger);
  const other = { ...ledger, id: "titan/other", name: "other", connection: "titan.other", users: [] };
  stack.model = { ...model, databases: [ledger, other] };
  stack.bootstrapPasswords = { "titan.other": "a-wrong-Password-of-this-test" };
  const failure = await stack.up().then(
    () => assert.fail("the update must fail"),
    (error: Error) => error,
  );
  assert.match(failure.message, /titan\.other/);
  assert.match(failure.message, /password authentication failed/);
  assert.doesNotMatch(JSON.stringify([failure, failure.message, failure.stack]), /a-wrong-Password/);
  stack.model = model;
  stack.bootstrapPasswords = {};
  await stack.up();
});

test("takes over what a killed run left, only then, and only of the same nature", async () => {
  const provider = new Provider(vaultKinds, () => stack.vault);
  const mount = "vault:index/mount:Mount";
  await assert.rejects(
    provider.create(mount, { path: "kv", type: "kv" }, false),
    /path is already in use at kv/,
  );
  await assert.rejects(
    provider.create(mount, { path: "kv", type: "ssh" }, true),
    /path is already in use at kv/,
  );
  const taken = await provider.create(
    mount,
    { path: "kv", type: "kv", options: { version: "2" }, defaultLeaseTtlSeconds: 900 },
    true,
  );
  assert.equal(taken.id, "kv");

  const audit = "vault:index/audit:Audit";
  const live = await stack.vault.read<Record<string, { options: { file_path: string } }>>("sys/audit");
  const device = { path: "second", type: "file", description: "", local: false };
  const same = { ...device, options: live?.["second/"]?.options ?? {} };
  await assert.rejects(provider.create(audit, same, false), /path already in use/);
  await assert.rejects(
    provider.create(audit, { ...same, options: { file_path: "/elsewhere" } }, true),
    /path already in use/,
  );
  assert.equal((await provider.create(audit, same, true)).id, "second");

  const totp = "vault:identity/mfaTotp:MfaTotp";
  const methods = await stack.vault.list("identity/mfa/method/totp");
  const { id } = await provider.create(totp, { issuer: "Keyplane acme local" }, true);
  assert.deepEqual(methods, [id]);
});

test("refuses types and properties that it does not serve", async () => {
  const provider = new Provider(vaultKinds, () => stack.vault);
  assert.throws(() => provider.check("vault:ssh/secretBackendRole:SecretBackendRole", {}), {
    message: /^The local provider does not serve vault:ssh\/secretBackendRole:SecretBackendRole: add it/,
  });
});
