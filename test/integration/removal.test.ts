import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { DescribeLogGroupsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { DescribeSecretCommand, GetResourcePolicyCommand } from "@aws-sdk/client-secrets-manager";
import { type Document, parseDocument } from "yaml";
import { platform } from "../../infra/index.ts";
import { lambdaCode } from "../../infra/lambda-code.ts";
import { record } from "../../infra/record.ts";
import { type Aws, clientsOf } from "../../local/providers/aws/clients.ts";
import { environmentOf } from "../../local/services/index.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { startStack, type TestStack } from "./stack.ts";
import { asRoot, query, type Running } from "./support/credentials.ts";

let stack: TestStack;
let running: Running;
let aws: Aws;
let folder: string;
let catalogue: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-removal-"));
  catalogue = join(folder, "catalogue");
  stack = await startStack();
  ({ running } = stack);
  aws = clientsOf(stack.first.services.aws);
});
after(async () => {
  aws?.close();
  await stack?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await rm(catalogue, { recursive: true, force: true });
  await cp("catalogue", catalogue, { recursive: true });
});

/** Taking an entry out, with every mention of it. */
const removals: { entry: string; file: string; paths: string[][]; deletes: string[] }[] = [
  { entry: "a secret", file: "systems/titan.yaml", paths: [["secrets", "hmac"]], deletes: [] },
  {
    entry: "a service",
    file: "systems/titan.yaml",
    paths: [
      ["services", "grafana"],
      ["secrets", "grafana-admin", "consumers", "grafana"],
    ],
    deletes: [
      "delete vault:appRole/authBackendRole:AuthBackendRole titan.grafana",
      "delete vault:index/policy:Policy titan.grafana",
    ],
  },
  {
    entry: "a person",
    file: "organization.yaml",
    paths: [["people", "dan"]],
    deletes: ["delete vault:identity/entity:Entity dan", "delete vault:identity/entityAlias:EntityAlias dan"],
  },
  {
    entry: "a CI job",
    file: "systems/titan.yaml",
    paths: [["ci", "deploy"]],
    deletes: [
      "delete vault:index/policy:Policy titan.ci.deploy",
      "delete vault:jwt/authBackendRole:AuthBackendRole titan.ci.deploy",
    ],
  },
  {
    entry: "a dynamic database user",
    file: "systems/titan.yaml",
    paths: [["databases", "ledger", "users", "titan-ai-quant"]],
    deletes: [
      "delete keyplane:vault:DatabaseCredentials$vault:database/secretBackendRole:SecretBackendRole titan.ledger-titan.ledger.titan-ai-quant",
    ],
  },
];

for (const { entry, file, paths, deletes } of removals) {
  test(`${entry} that is taken out: what is declared no more is ${deletes.length === 0 ? "nothing" : "its access and no data"}`, async () => {
    const before = await declared();
    await edit(file, (document) => {
      for (const path of paths) assert.ok(document.deleteIn(path), path.join("."));
    });
    const after = await declared();
    assert.deepEqual(
      [...before].flatMap((resource) => (after.has(resource) ? [] : [`delete ${resource}`])).sort(),
      deletes,
    );
  });
}

test("all of them taken out: the update deletes exactly that, and every value stays", async () => {
  const before = await everyValue();
  assert.ok(before.size > 20);
  for (const { file, paths } of removals) {
    await edit(file, (document) => {
      for (const path of paths) document.deleteIn(path);
    });
  }
  const { touched } = await stack.up({ catalogue });
  assert.deepEqual(deletionsOf(touched), removals.flatMap(({ deletes }) => deletes).sort());
  assert.deepEqual(await everyValue(), before);
  await stack.up();
  assert.deepEqual(await everyValue(), before);
});

test("a database that is taken out is refused with what to do, and stays", async () => {
  const before = await databaseOf("titan/ledger");
  await edit("systems/titan.yaml", (system) => {
    system.deleteIn(["databases", "ledger"]);
  });
  await assert.rejects(stack.up({ catalogue }), refusedWithAdvice("titan.ledger"));
  assert.deepEqual(await databaseOf("titan/ledger"), before);
});

test("an encryption key that is taken out is refused with what to do, and still decrypts", async () => {
  const { root, end } = await asRoot(running);
  const plaintext = Buffer.from("kept").toString("base64");
  const { data } = await root.write<{ ciphertext: string }>("transit/encrypt/titan.documents", { plaintext });
  await edit("systems/titan.yaml", (system) => system.deleteIn(["encryption-keys", "documents"]));
  await assert.rejects(stack.up({ catalogue }), refusedWithAdvice("titan.documents"));
  const opened = await root.write<{ plaintext: string }>("transit/decrypt/titan.documents", data);
  assert.equal(opened.data.plaintext, plaintext);
  await end();
});

test("a whole system that is taken out is refused with what to do: its values, keys and database stay", async () => {
  const before = [await sourceVersions("titan/hmac"), await databaseOf("titan/ledger")];
  await rm(join(catalogue, "systems", "titan.yaml"));
  await edit("organization.yaml", (organization) =>
    organization.setIn(["groups", "titan-operators", "operates"], ["solo"]),
  );
  await assert.rejects(stack.up({ catalogue }), refusedWithAdvice("titan.ledger"));
  assert.deepEqual([await sourceVersions("titan/hmac"), await databaseOf("titan/ledger")], before);
  const { root, end } = await asRoot(running);
  assert.notEqual(await root.read("transit/keys/titan.documents"), undefined);
  await end();
  // Refused before anything was touched: the catalogue as it was has nothing to mend.
  assert.equal((await stack.up()).changed, 0);
});

test("a renamed entry changes nothing in Vault: no resource, no value, no version (`renamed-from`)", async () => {
  const before = await sourceVersions("titan/hmac");
  await edit("systems/titan.yaml", (system) => {
    rename(system, ["secrets"], "hmac", "signals-hmac");
    rename(system, ["encryption-keys"], "documents", "papers");
    rename(system, ["databases"], "ledger", "books");
  });
  const inputs = await inputsOfState();
  const renamed = await stack.up({ catalogue });
  assert.equal(renamed.changed, 1);
  assert.deepEqual(
    [...(await inputsOfState())].filter(([urn, text]) => inputs.get(urn) !== text).map(([urn]) => urn),
    [
      // What is scheduled carries the model, in which the entries have their new names.
      "urn:pulumi:local::keyplane::keyplane:aws:RotationFunction$aws:lambda/function:Function::keyplane-local-rotate-due-function",
    ],
  );
  const secret = renamed.model.secrets.find(({ id }) => id === "titan/signals-hmac");
  assert.ok(secret, "the entry has its new name");
  assert.deepEqual(await versionsAt(secret.source), before);
});

const documents = ["encryption-keys", "documents"];
const ledger = ["databases", "ledger"];
const proxy = [...ledger, "users", "titan-proxy"];
const retired = { since: "2026-11-01", reason: "nobody uses it any more" };

// The same entries on their way out, a change after the other: each test begins where the one before it ended.

test("a retired encryption key stays, and nothing may delete it; a retired database user stays in Secrets Manager, and nobody reads or rotates it", async () => {
  assert.deepEqual(await secretOfProxy(), { rotates: true, isRead: true, goes: undefined });
  await editTitan({ retire: [documents, proxy], as: retired });
  await stack.up({ catalogue });
  assert.equal((await key())?.deletion_allowed, false);
  assert.deepEqual(await secretOfProxy(), { rotates: false, isRead: false, goes: undefined });
});

test("a retired database user that is taken out without `delete: true` is refused with what to do, and stays", async () => {
  await editTitan({ retire: [documents], as: retired, takeOut: [proxy] });
  await assert.rejects(stack.up({ catalogue }), refusedWithAdvice(`${idOfProxy}-secret`));
  assert.equal((await secretOfProxy()).goes, undefined);
});

test("`delete: true` deletes neither key nor user, and lets both go", async () => {
  await editTitan({ retire: [documents, proxy], as: { ...retired, delete: true } });
  await stack.up({ catalogue });
  assert.equal((await key())?.deletion_allowed, true);
  assert.equal((await secretOfProxy()).goes, undefined);
});

test("what is taken out after that is deleted: the key at once, the user's secret in 30 days; its log stays", async () => {
  await editTitan({ takeOut: [documents, proxy] });
  const { touched } = await stack.up({ catalogue });
  assert.deepEqual(
    deletionsOf(touched).filter((line) => /^delete vault:|secret:Secret /.test(line)),
    [
      `delete keyplane:aws:DatabaseUserSecret$aws:secretsmanager/secret:Secret ${idOfProxy}-secret`,
      "delete vault:transit/secretBackendKey:SecretBackendKey titan.documents",
    ],
  );
  assert.equal(await key(), undefined);
  const { goes } = await secretOfProxy();
  const days = ((goes?.getTime() ?? 0) - Date.now()) / 86_400_000;
  assert.ok(days > 29 && days < 31, String(days));
  const log = "/aws/lambda/keyplane-local-rotate-postgres-titan-ledger";
  const { logGroups = [] } = await aws.logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: log }));
  assert.deepEqual(
    logGroups.map(({ logGroupName }) => logGroupName),
    [log],
  );
});

test("a retired database goes after `delete: true` as well: no rule keeps what three changes gave up", async () => {
  // Without the user, whose name is Secrets Manager's for 30 days.
  await editTitan({ takeOut: [documents, proxy], retire: [ledger], as: { ...retired, delete: true } });
  await stack.up({ catalogue });
  await databaseOf("titan/ledger");
  await editTitan({ takeOut: [ledger] });
  await stack.up({ catalogue });
  assert.equal(await read("database/config/titan.ledger"), undefined);
});

/** Takes entries out of titan, and marks others as retired. */
function editTitan(change: { takeOut?: string[][]; retire?: string[][]; as?: object }): Promise<void> {
  return edit("systems/titan.yaml", (system) => {
    for (const path of change.takeOut ?? []) assert.ok(system.deleteIn(path), path.join("."));
    for (const path of change.retire ?? []) system.setIn([...path, "retired"], change.as);
  });
}

const key = () => read<{ deletion_allowed: boolean }>("transit/keys/titan.documents");
const idOfProxy = "keyplane/local/titan/ledger/titan-proxy";

async function secretOfProxy() {
  const of = { SecretId: idOfProxy };
  const { RotationEnabled, DeletedDate } = await aws.secrets.send(new DescribeSecretCommand(of));
  const { ResourcePolicy } = await aws.secrets.send(new GetResourcePolicyCommand(of));
  return { rotates: RotationEnabled, isRead: ResourcePolicy !== undefined, goes: DeletedDate };
}

function deletionsOf(touched: string[]): string[] {
  return touched.filter((line) => line.startsWith("delete"));
}

/** Each path of the shipped catalogue's secrets that holds a value, with its latest version; CI jobs' own ones too. */
async function everyValue(): Promise<Map<string, number>> {
  const { kv } = running.model.vault.mounts;
  const { vault: rotator, end } = await stack.as("rotate");
  const versions = new Map<string, number>();
  for (const path of running.model.secrets.flatMap(({ source, consumers }) => [
    source,
    ...consumers.map(({ path }) => path),
  ])) {
    const found = await rotator.read<{ metadata: { version: number } }>(`${kv}/data/${path}`);
    if (found !== undefined) versions.set(path, found.metadata.version);
  }
  await end();
  return versions;
}

/** What the catalogue's program declares, as an update names it. */
async function declared(): Promise<Set<string>> {
  const model = derive(await loadCatalogue(catalogue), "local", environmentOf(stack.first.services));
  const program = () =>
    platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: lambdaCode("lambdas") });
  return new Set((await record("local", program)).map(({ urn }) => urn.split("::").slice(2).join(" ")));
}

async function read<T>(path: string): Promise<T | undefined> {
  const { root, end } = await asRoot(running);
  const found = await root.read<T>(path);
  await end();
  return found;
}

function refusedWithAdvice(name: string): (error: unknown) => boolean {
  return (error) => {
    const message = error instanceof Error ? error.message : String(error);
    assert.ok(message.includes(name), `names ${name}: ${message}`);
    assert.match(message, /retired/, "says what to do in the catalogue");
    return true;
  };
}

async function edit(name: string, change: (document: Document) => void): Promise<void> {
  const file = join(catalogue, name);
  const document = parseDocument(await readFile(file, "utf8"));
  change(document);
  await writeFile(file, String(document));
}

function rename(document: Document, section: string[], from: string, to: string): void {
  const entry = document.getIn([...section, from], true);
  document.deleteIn([...section, from]);
  document.setIn([...section, to], entry);
  document.setIn([...section, to, "renamed-from"], from);
}

async function sourceVersions(id: string): Promise<Record<string, unknown>> {
  const secret = running.model.secrets.find((candidate) => candidate.id === id);
  assert.ok(secret, id);
  return versionsAt(secret.source);
}

async function versionsAt(path: string): Promise<Record<string, unknown>> {
  const { mounts } = running.model.vault;
  const { vault: rotator, end } = await stack.as("rotate");
  const metadata = await rotator.read<{ versions: Record<string, unknown> }>(`${mounts.kv}/metadata/${path}`);
  const value = await rotator.read<{ data: unknown }>(`${mounts.kv}/data/${path}`);
  assert.ok(metadata && value?.data, `${path} holds a value`);
  await end();
  return { versions: metadata.versions, value: value.data };
}

/** What Vault and Postgres know of a database. */
async function databaseOf(id: string): Promise<Record<string, unknown>> {
  const database = running.model.databases.find((candidate) => candidate.id === id);
  assert.ok(database, id);
  const { root, end } = await asRoot(running);
  const connection = await root.read(`database/config/${database.connection}`);
  await end();
  assert.ok(connection, `Vault knows ${database.connection}`);
  const rows = await query(running, "select datname from pg_database where datname = $1", [
    database.database,
  ]);
  assert.equal(rows.length, 1);
  return { connection, rows };
}

/** What the state says was declared, by URN; a secret is encrypted anew whenever the state is written. */
async function inputsOfState(): Promise<Map<string, string>> {
  const file = join(stack.home, "pulumi", "backend", ".pulumi", "stacks", "keyplane", "local.json");
  const { checkpoint } = JSON.parse(await readFile(file, "utf8")) as {
    checkpoint: { latest: { resources: { urn: string; inputs?: unknown }[] } };
  };
  return new Map(
    checkpoint.latest.resources.map(({ urn, inputs }) => [
      urn,
      (JSON.stringify(inputs) ?? "").replaceAll(/"ciphertext":"[^"]*"/g, ""),
    ]),
  );
}
