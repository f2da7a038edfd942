import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pg from "pg";
import { platform } from "../../infra/index.ts";
import { Provider } from "../../local/providers/provider.ts";
import { vaultKinds } from "../../local/providers/vault/index.ts";
import { declared } from "../infra/declared.ts";
import { ProgramStack, type Run } from "./providers-stack.ts";

let stack: ProgramStack;
let planned: Run;
let first: Run;
let bootstrap: string;
let second = "";

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

test("changes nothing the second time, and asks Vault nothing to know it", async () => {
  const { token } = stack;
  stack.token = "no-token-of-this-vault";
  assert.deepEqual((await stack.up()).steps, []);
  await assert.rejects(stack.drift(), /403: .*permission denied|invalid token/);
  stack.token = token;
});

test("the bootstrap password is dead when the update ends, and Vault's own works", async () => {
  assert.notEqual(bootstrap, "");
  assert.equal(await login(manager(), bootstrap), "28P01");
  const issued = await stack.vault.read<{ username: string; password: string }>(
    "database/creds/titan.ledger.quant",
  );
  assert.equal(await login(issued?.username ?? "", issued?.password ?? ""), "in");
});

/** Files of the state folder with a text in any of its usual encodings. */
async function filesWith(text: string): Promise<string[]> {
  assert.notEqual(text, "");
  const encodings = [text, Buffer.from(text).toString("base64"), Buffer.from(text).toString("hex")];
  const found: string[] = [];
  for (const file of await readdir(stack.home, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const path = join(file.parentPath, file.name);
    const bytes = await readFile(path);
    if (encodings.some((encoded) => bytes.includes(encoded))) found.push(path);
  }
  return found;
}

test("the bootstrap password lies nowhere in the state folder: state, backups, logs", async () => {
  assert.ok(
    (await filesWith(manager())).some((path) => path.endsWith("local.json")),
    "the state is searched",
  );
  assert.deepEqual(await filesWith(bootstrap), []);
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
  second = stack.bootstrapPasswords["titan.ledger"] ?? "";
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

test("takes over what a killed run left, by its marks, and nothing else", async () => {
  const provider = new Provider(vaultKinds, () => stack.vault);
  const mount = "vault:index/mount:Mount";
  const description = "Secret values: a source each, and a path per consumer.";
  const kv = { path: "kv", type: "kv", description, options: { version: "2" } };
  for (const other of [
    { ...kv, description: "another's" },
    { ...kv, type: "transit", options: {} },
  ]) {
    await assert.rejects(provider.create(mount, other), /path is already in use at kv/);
  }
  assert.equal((await provider.create(mount, kv)).id, "kv");

  const audit = "vault:index/audit:Audit";
  const live =
    await stack.vault.read<Record<string, { options: { file_path: string }; description: string }>>(
      "sys/audit",
    );
  const { description: words = "", options } = live?.["second/"] ?? {};
  const device = { path: "second", type: "file", description: words, local: false, options: options ?? {} };
  for (const other of [
    { ...device, options: { file_path: "/elsewhere" } },
    { ...device, description: "another's" },
  ]) {
    await assert.rejects(provider.create(audit, other), /path already in use/);
  }
  assert.equal((await provider.create(audit, device)).id, "second");

  const totp = "vault:identity/mfaTotp:MfaTotp";
  const methods = await stack.vault.list("identity/mfa/method/totp");
  assert.deepEqual([(await provider.create(totp, { issuer: "Keyplane acme local" })).id], methods);
  const { id } = await provider.create(totp, { issuer: "another" });
  assert.ok(!methods.includes(id));
  await stack.vault.delete(`identity/mfa/method/totp/${id}`);

  const ben = await stack.vault.read<{ aliases: Record<string, string>[] }>("identity/entity/name/ben");
  const alias = ben?.aliases[0] ?? assert.fail("ben has no alias");
  const { id: known, name = "", mount_accessor: mountAccessor = "", canonical_id: canonicalId = "" } = alias;
  const again = await provider.create("vault:identity/entityAlias:EntityAlias", {
    name,
    mountAccessor,
    canonicalId,
  });
  assert.equal(again.id, known);
});

test("leaves alone what others own: a key's minimum version, a person locked out (R24)", async () => {
  await stack.vault.write("transit/keys/keyplane.fingerprint/rotate");
  await stack.vault.write("transit/keys/keyplane.fingerprint/config", { min_decryption_version: 2 });
  const ben = await stack.vault.read<{ id: string }>("identity/entity/name/ben");
  await stack.vault.write(`identity/entity/id/${ben?.id}`, { disabled: true });
  await stack.up({ refresh: true });
  assert.deepEqual((await stack.preview()).steps, []);
  const key = await stack.vault.read<{ min_decryption_version: number }>("transit/keys/keyplane.fingerprint");
  assert.equal(key?.min_decryption_version, 2);
  const after = await stack.vault.read<{ disabled: boolean }>("identity/entity/name/ben");
  assert.equal(after?.disabled, true);
});

test("empties a group, and fills it again", async () => {
  const { model } = stack;
  const members = async () =>
    (await stack.vault.read<{ member_entity_ids: string[] | null }>("identity/group/name/platform"))
      ?.member_entity_ids ?? [];
  stack.model = { ...model, groups: model.groups.map((group) => ({ ...group, members: [] })) };
  assert.deepEqual((await stack.up()).steps, ["update Group platform"]);
  assert.deepEqual(await members(), []);
  stack.model = model;
  assert.deepEqual((await stack.up()).steps, ["update Group platform"]);
  assert.equal((await members()).length, 1);
});

test("no bootstrap password lies in the state folder after refreshes, failures and replacements either", async () => {
  assert.deepEqual(await filesWith(bootstrap), []);
  assert.deepEqual(await filesWith(second), []);
});

test("serves the login of people that staging and production have: OIDC, its secret nowhere", async () => {
  const provider = new Provider(vaultKinds, () => stack.vault);
  const { vault } = stack.model;
  const oidc = { discoveryUrl: "https://login.acme.example", clientId: "vault" };
  const model = {
    ...stack.model,
    vault: { ...vault, auth: { ...vault.auth, human: "oidc" as const }, oidc },
  };
  const program = await declared(() => platform(model, { part: "platform", bootstrapPasswords: {} }));
  const mount = program.one("vault:index/authBackend:AuthBackend", "oidc");
  const role = program.one("vault:jwt/authBackendRole:AuthBackendRole", "people-oidc");
  for (const { type, inputs } of [mount, role]) {
    const { id, outputs } = await provider.create(type, inputs);
    assert.deepEqual(provider.diff(type, inputs, outputs, inputs), { changed: [], replaced: [] });
    assert.deepEqual((await provider.read(type, id, outputs, inputs))?.inputs, inputs);
  }
  await provider.delete(role.type, "auth/oidc/role/people", role.inputs);
  assert.equal(await provider.read(role.type, "auth/oidc/role/people", role.inputs, role.inputs), undefined);
  await provider.delete(mount.type, "oidc", mount.inputs);
  assert.equal(await provider.read(mount.type, "oidc", mount.inputs, mount.inputs), undefined);
});

test("refuses types and properties that it does not serve", async () => {
  const provider = new Provider(vaultKinds, () => stack.vault);
  assert.throws(() => provider.check("vault:ssh/secretBackendRole:SecretBackendRole", {}), {
    message: /^The local provider does not serve vault:ssh\/secretBackendRole:SecretBackendRole: add it/,
  });
});
