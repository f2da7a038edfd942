import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { EncryptionKey, Secret } from "../../model/model.ts";
import { keyVersions } from "../../operations/rotation/key-versions.ts";
import { rotateEncryptionKey } from "../../operations/rotation/transit.ts";
import { type DatabaseServer, startDatabaseServer } from "../operations/rotation/postgres-server.ts";
import { deploy, MovedClock } from "./services/deployment.ts";
import { inWords, noneFailed } from "./services/load.ts";
import { endedWithFile } from "./support/ended-with-file.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
/** Requests a second of each of the two services; documents that they share. */
const rate = 140;
const rows = 400;
const day = 86_400_000;

let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

test("rotation says from which version on a key is accepted, and nothing else of it: neither that it may leave Vault nor that it may be deleted (R24)", async () => {
  await server.root.write("transit/keys/bounded", {});
  const config = (data: object) =>
    server.rotator.write("transit/keys/bounded/config", data).then(
      () => "let in",
      ({ status }: { status: number }) => status,
    );
  const before = (await server.root.read("transit/keys/bounded")) as object;
  for (const data of [
    { deletion_allowed: true },
    { exportable: true },
    { allow_plaintext_backup: true },
    { auto_rotate_period: "0" },
    { min_decryption_version: 1, deletion_allowed: true },
  ]) {
    assert.equal(await config(data), 403, Object.keys(data).join());
  }
  assert.equal(await server.rotator.delete("transit/keys/bounded").catch(({ status }) => status), 403);
  assert.deepEqual(await server.root.read("transit/keys/bounded"), before);
  await server.rotator.write("transit/keys/bounded/rotate");
  assert.equal(await config({ min_decryption_version: 2, min_encryption_version: 2 }), "let in");
  assert.equal(await config({ min_decryption_version: 2 }), "let in");
  await server.rotator.write("transit/keys/bounded/trim", { min_available_version: 2 });
});

/** titan's documents under a transit key, and two services that may encrypt and decrypt with it, and nothing else. */
async function titan(t: { after(end: () => Promise<void>): void }) {
  const declared = server.model.encryptionKeys.find(({ id }) => id === "titan/documents");
  const database = server.model.databases.find(({ id }) => id === "titan/ledger");
  assert.ok(declared && database);
  const place = { database: database.id, schema: "public", table: "documents", key: "id", column: "body" };
  const key: EncryptionKey = { ...declared, stored: [place] };
  await server.root.write(`transit/keys/${key.key}`, { type: key.type });
  const path = (may: string) => `path "transit/${may}/${key.key}" { capabilities = ["update"] }`;
  await server.root.write("sys/policies/acl/documents", { policy: `${path("encrypt")}\n${path("decrypt")}` });
  const made = await server.root.write("auth/token/create", { policies: ["documents"], no_parent: true });
  const inside = { id: key.id, databaseUser: { database: database.id } } as Secret;
  const password = randomBytes(16).toString("hex");
  const group = database.groups.find(({ name }) => name.endsWith("writer"))?.name;
  await server.query(inside, `CREATE ROLE "documents" LOGIN PASSWORD '${password}' IN ROLE "${group}"`);
  await server.query(inside, "CREATE TABLE documents (id bigint PRIMARY KEY, body text NOT NULL)");
  const batch_input = Array.from({ length: rows }, (_, index) => ({
    plaintext: Buffer.from(`document ${index}`).toString("base64"),
  }));
  const { data } = await server.root.write<{ batch_results: { ciphertext: string }[] }>(
    `transit/encrypt/${key.key}`,
    { batch_input },
  );
  await server.query(
    inside,
    "INSERT INTO documents SELECT n, body FROM unnest($1::text[]) WITH ORDINALITY AS all_of (body, n)",
    [data.batch_results.map(({ ciphertext }) => ciphertext)],
  );
  const { host, port, database: name } = database;
  const { address } = server.root;
  const token = made.auth?.client_token ?? "";
  const env = {
    ...{ KEY: key.key, TABLE: "documents", RATE: String(rate), ROWS: String(rows) },
    VAULT: JSON.stringify({ address, ca: server.services.vault.ca, token }),
    DATABASE: JSON.stringify({ host, port, database: name, user: "documents", password }),
  };
  const file = fileURLToPath(import.meta.resolve("./titan/documents-service.ts"));
  const names = ["titan-brain", "titan-sentinel"];
  const { load, compose } = await deploy(t, {
    ...{ vault: server.rotator, model: server.model, secrets: [], services: [] },
    programs: ({ load: { hear: said } }) =>
      Object.fromEntries(names.map((of) => [of, { file, env, envFile: "none", said }])),
  });
  for (const of of names) await compose.restart(of);
  const prefixes = async () => {
    const found = await server.query<{ of: string }>(
      inside,
      "SELECT DISTINCT split_part(body, ':', 2) AS of FROM documents ORDER BY 1",
    );
    return found.map(({ of }) => of);
  };
  return { key, load, compose, prefixes };
}

test("titan's encryption key: rewrapped under over 200 requests a second, none fails, and no old version is left (R17, R22–R24, R27)", async (t) => {
  const { key, load, compose, prefixes } = await titan(t);
  const clock = await MovedClock.of(server.rotator);
  const go = (anew: boolean) =>
    rotateEncryptionKey({
      ...{ vault: server.rotator, model: server.model, key, reach: server.reach, reason: "scheduled", anew },
      ...{ owner: "test", report: () => {}, signal: new AbortController().signal, clock },
    });
  const quiet = await load.idle();
  for (let count = 1; count <= rotations; count++) {
    const waits = await go(true);
    assert.deepEqual([waits.state, waits.from, waits.to], ["drain", count, count + 1], waits.waiting);
    clock.ahead = 30 * day + 60_000;
    const end = await go(false);
    clock.ahead = 0;
    assert.deepEqual([end.state, end.waiting], ["done", undefined]);
    // Who had encrypted under the old version before, and wrote that when all had been rewrapped, is found by then.
    assert.deepEqual(await prefixes(), [`v${count + 1}`]);
    const versions = await keyVersions({ vault: server.root, model: server.model }, key);
    assert.equal(versions?.available, count + 1);
    await load.more();
  }
  await compose.end();
  const during = noneFailed(load.take());
  t.diagnostic(inWords(rotations, during, quiet));
});
