import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Vault, VaultError } from "../../../clients/vault.ts";
import type { EncryptionKey, StoredCiphertext } from "../../../model/model.ts";
import type { Clock } from "../../../operations/rotation/clock.ts";
import { keyVersions, verifyRetired } from "../../../operations/rotation/key-versions.ts";
import { type Reach, type Reason, StillAcceptedError } from "../../../operations/rotation/rotator.ts";
import { type EncryptionKeyOptions, rotateEncryptionKey } from "../../../operations/rotation/transit.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { inSoma } from "./re-encryption/api-keys.ts";
import { Death } from "./re-encryption/death.ts";

const day = 86_400;
/** Every place to die at in `npm run prove`, every fifth in `npm test`. */
const stride = process.env.KEYPLANE_SCALE === "prove" ? 1 : 5;
let server: DatabaseServer;
const ends: (() => Promise<void>)[] = [];
before(async () => {
  server = await startDatabaseServer({ after: (end) => ends.push(end) });
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

/** A transit key of its own for each test, and a table of documents under it. */
class Documents {
  static #count = 0;
  readonly key: EncryptionKey;
  /** Moved by the test; Vault's own clock goes on. */
  ahead = 0;
  readonly said: string[] = [];

  private constructor(key: EncryptionKey) {
    this.key = key;
  }

  static async make({ rows = 0, retain = 30 * day } = {}): Promise<Documents> {
    const name = `documents_${++Documents.#count}`;
    const place: StoredCiphertext = {
      database: "soma/main",
      schema: "public",
      table: name,
      key: "id",
      column: "body",
    };
    const declared = server.model.encryptionKeys.find(({ id }) => id === "titan/documents");
    assert.ok(declared);
    const documents = new Documents({ ...declared, key: `titan.${name}`, retain, stored: [place] });
    await server.root.write(`transit/keys/titan.${name}`, { type: "aes256-gcm96" });
    await documents.query(
      `CREATE TABLE ${name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text)`,
    );
    if (rows > 0) await documents.write(Array.from({ length: rows }, (_, index) => `document ${index}`));
    return documents;
  }

  query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    return server.query(inSoma, text, values) as Promise<Row[]>;
  }

  /** As a service does: encrypts with the version in force and stores. */
  async write(texts: string[]): Promise<void> {
    const batch_input = texts.map((text) => ({ plaintext: Buffer.from(text).toString("base64") }));
    const { data } = await server.root.write<{ batch_results: { ciphertext: string }[] }>(
      `transit/encrypt/${this.key.key}`,
      { batch_input },
    );
    await this.store(data.batch_results.map(({ ciphertext }) => ciphertext));
  }

  async store(ciphertexts: string[]): Promise<void> {
    const table = this.key.stored[0]?.table ?? "";
    await this.query(`INSERT INTO ${table} (body) SELECT unnest($1::text[])`, [ciphertexts]);
  }

  async ciphertexts(): Promise<string[]> {
    const rows = await this.query<{ body: string }>(
      `SELECT body FROM ${this.key.stored[0]?.table} ORDER BY id`,
    );
    return rows.map(({ body }) => body);
  }

  /** What a service reads, one by one in order. */
  async texts(): Promise<string[]> {
    const batch_input = (await this.ciphertexts()).map((ciphertext) => ({ ciphertext }));
    const { data } = await server.root.write<{ batch_results: { plaintext: string }[] }>(
      `transit/decrypt/${this.key.key}`,
      { batch_input },
    );
    return data.batch_results.map(({ plaintext }) => Buffer.from(plaintext, "base64").toString());
  }

  async prefixes(): Promise<string[]> {
    const found = (await this.ciphertexts()).map((text) => text.split(":").slice(0, 2).join(":"));
    return [...new Set(found)].sort();
  }

  async versions(): Promise<{ latest: number; decrypts: number; available: number }> {
    const found = await keyVersions({ vault: server.root, model: server.model }, this.key);
    assert.ok(found);
    return found;
  }

  rotate(given: Partial<EncryptionKeyOptions> & { reason?: Reason } = {}) {
    const clock: Clock = {
      now: () => new Date(Date.now() + this.ahead * 1000),
      sleep: async () => {},
    };
    return rotateEncryptionKey({
      vault: server.rotator,
      model: server.model,
      key: this.key,
      reach: server.reach,
      reason: "scheduled",
      owner: "test",
      report: ({ text }) => this.said.push(text),
      signal: new AbortController().signal,
      clock,
      ...given,
    });
  }
}

test("a new version, everything stored under it, and the old one kept for 30 d before it is deleted (R22–R24)", async () => {
  const documents = await Documents.make({ rows: 700 });
  const first = await documents.rotate({ anew: true });
  assert.deepEqual([first.state, first.from, first.to], ["drain", 1, 2]);
  assert.match(first.waiting ?? "", /^versions before 2 decrypt until /);
  assert.deepEqual(await documents.prefixes(), ["vault:v2"]);
  assert.equal((await documents.versions()).decrypts, 1);

  documents.ahead = 30 * day - 60;
  assert.equal((await documents.rotate()).state, "drain");
  documents.ahead = 30 * day + 60;
  const end = await documents.rotate();
  assert.deepEqual([end.state, end.waiting], ["done", undefined]);
  const { latest, decrypts, available } = await documents.versions();
  assert.deepEqual({ latest, decrypts, available }, { latest: 2, decrypts: 2, available: 2 });
  assert.deepEqual(
    await documents.texts(),
    Array.from({ length: 700 }, (_, index) => `document ${index}`),
  );
});

test("no old version goes while one ciphertext needs it: the straggler is rewrapped first (R23)", async () => {
  const documents = await Documents.make({ rows: 3 });
  const [old = ""] = await documents.ciphertexts();
  await documents.rotate({ anew: true });
  await documents.store([old]);
  documents.ahead = 31 * day;
  const waits = await documents.rotate();
  assert.equal(waits.state, "drain");
  assert.match(
    waits.waiting ?? "",
    /needs versions before 2: soma\/main public\.documents_2\.body: 1 v1, 3 v2$/,
  );
  assert.equal((await documents.versions()).decrypts, 1);
  assert.equal((await documents.rotate()).state, "done");
  assert.deepEqual(await documents.texts(), ["document 0", "document 1", "document 2", "document 0"]);
});

test("a ciphertext that arrives while the old version is being refused takes that back (R23)", async () => {
  const documents = await Documents.make({ rows: 3 });
  const [old = ""] = await documents.ciphertexts();
  await documents.rotate({ anew: true });
  documents.ahead = 31 * day;
  const late = server.rotator.with(server.rotator.token);
  const request: Vault["request"] = async (method, path, options) => {
    const answer = await server.rotator.request<never>(method, path, options);
    if (path.endsWith("/config") && (await documents.ciphertexts()).length === 3)
      await documents.store([old]);
    return answer;
  };
  late.request = request;
  const waits = await documents.rotate({ vault: late });
  assert.equal(waits.state, "revoke");
  assert.match(waits.waiting ?? "", /1 v1, 3 v2$/);
  assert.equal((await documents.versions()).decrypts, 1);
  assert.equal((await documents.rotate()).state, "done");
  assert.equal((await documents.texts()).length, 4);
});

test("a compromise does not wait for the 30 d, says so, and still leaves no ciphertext behind (R21)", async () => {
  const documents = await Documents.make({ rows: 20 });
  const end = await documents.rotate({ reason: "compromise" });
  assert.deepEqual(end.skipped, ["the 2592000 s for which old versions are kept were cut short"]);
  assert.equal(end.state, "done");
  assert.deepEqual(await documents.prefixes(), ["vault:v2"]);
  assert.equal((await documents.versions()).available, 2);
});

test("a version that Vault made by itself is rewrapped to, and none is added (R17)", async () => {
  const documents = await Documents.make({ rows: 5 });
  await server.root.write(`transit/keys/${documents.key.key}/rotate`);
  await documents.rotate();
  assert.deepEqual(await documents.prefixes(), ["vault:v2"]);
  assert.equal((await documents.versions()).latest, 2);
});

test("nothing is done where nothing is due; a version older than its period is replaced", async () => {
  const documents = await Documents.make({ rows: 1 });
  assert.equal((await documents.rotate()).unchanged, true);
  documents.ahead = 91 * day;
  const late = await documents.rotate();
  assert.deepEqual([late.unchanged, late.to], [false, 2]);
});

test("without a column in the catalogue the old versions stay, and the outcome says why", async () => {
  const documents = await Documents.make();
  const key = { ...documents.key, stored: [] };
  const end = await documents.rotate({ key, anew: true });
  assert.equal(end.state, "done");
  assert.match(end.notes.join(), /names no stored ciphertext of titan\/documents: its old versions stay/);
  documents.ahead = 31 * day;
  assert.equal((await documents.rotate({ key })).unchanged, true);
  assert.equal((await documents.versions()).decrypts, 1);
});

test("ciphertext that Vault cannot open, and text that is none, stay as they are", async () => {
  const documents = await Documents.make({ rows: 2 });
  const odd = ["plain text", "vault:v9:AAAA"];
  await documents.store(odd);
  await documents.rotate({ anew: true });
  assert.deepEqual((await documents.ciphertexts()).slice(2), odd);
});

test("killed before or after any call, in any state, another runner ends it: no document lost", async () => {
  const documents = await Documents.make();
  const texts = Array.from({ length: 12 }, (_, index) => `document ${index}`);
  let deaths = 0;
  for (let at = 1; ; at += stride, deaths++) {
    await documents.query(`TRUNCATE ${documents.key.stored[0]?.table}`);
    await documents.write(texts);
    const death = new Death(at);
    const dying = { vault: death.vault(server.rotator), reach: death.reach(server.reach) as Reach };
    const reason = "compromise";
    await documents.rotate({ ...dying, reason, owner: `killed ${at}` }).catch((error: unknown) => {
      assert.deepEqual(error, new Error("killed"));
    });
    // The dead runner's lease runs out.
    documents.ahead += 120;
    const end = await documents.rotate(death.happened ? { reason: "scheduled" } : {});
    assert.equal(end.state, "done", `killed at ${at}: ${end.waiting}`);
    const { latest, decrypts, available } = await documents.versions();
    assert.deepEqual([decrypts, available], [latest, latest], `killed at ${at}`);
    assert.deepEqual(await documents.texts(), texts, `killed at ${at}`);
    if (!death.happened) break;
  }
  assert.ok(deaths * stride >= 40, `${deaths} deaths`);
});

test("two runners at once make one version", async () => {
  const documents = await Documents.make({ rows: 200 });
  const outcomes = await Promise.allSettled(
    ["one", "two", "three"].map((owner) => documents.rotate({ owner, anew: true })),
  );
  assert.ok(outcomes.some(({ status }) => status === "fulfilled"));
  const { latest } = await documents.versions();
  assert.equal(latest, 2);
  assert.equal((await documents.texts()).length, 200);
});

test("a version that still decrypts is not taken for retired", async () => {
  const documents = await Documents.make();
  await server.root.write(`transit/keys/${documents.key.key}/rotate`);
  const at = { vault: server.rotator, model: server.model };
  await assert.rejects(verifyRetired(at, documents.key, 2), StillAcceptedError);
  await server.root.write(`transit/keys/${documents.key.key}/config`, { min_decryption_version: 2 });
  await verifyRetired(at, documents.key, 2);
});

test("the rotation role rewraps and cannot decrypt: no plaintext leaves Vault", async () => {
  const documents = await Documents.make({ rows: 1 });
  const [ciphertext] = await documents.ciphertexts();
  await assert.rejects(
    server.rotator.write(`transit/decrypt/${documents.key.key}`, { ciphertext }),
    (error) => error instanceof VaultError && error.status === 403,
  );
});
