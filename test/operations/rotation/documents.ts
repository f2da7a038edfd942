import assert from "node:assert/strict";
import type { EncryptionKey, StoredCiphertext } from "../../../model/model.ts";
import type { Clock } from "../../../operations/rotation/clock.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import { readJournal } from "../../../operations/rotation/journal-store.ts";
import { keyVersions } from "../../../operations/rotation/key-versions.ts";
import type { Reason } from "../../../operations/rotation/rotator.ts";
import { type EncryptionKeyOptions, rotateEncryptionKey } from "../../../operations/rotation/transit.ts";
import type { DatabaseServer } from "./postgres-server.ts";
import { inSoma } from "./re-encryption/api-keys.ts";

const day = 86_400;

/** A transit key of its own for each test, and a table of documents under it. */
export class Documents {
  static #count = 0;
  readonly key: EncryptionKey;
  /** Moved by the test; Vault's own clock goes on. */
  ahead = 0;
  readonly said: string[] = [];

  readonly #server: DatabaseServer;

  private constructor(server: DatabaseServer, key: EncryptionKey) {
    this.#server = server;
    this.key = key;
  }

  static async make(server: DatabaseServer, { rows = 0, retain = 30 * day } = {}): Promise<Documents> {
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
    const documents = new Documents(server, {
      ...declared,
      ...{ key: `titan.${name}`, journal: `rotation/titan.${name}`, evidence: `evidence/titan.${name}` },
      ...{ retain, stored: [place] },
    });
    await server.root.write(`transit/keys/titan.${name}`, { type: "aes256-gcm96" });
    await documents.query(
      `CREATE TABLE ${name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text)`,
    );
    if (rows > 0) await documents.write(Array.from({ length: rows }, (_, index) => `document ${index}`));
    return documents;
  }

  query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    return this.#server.query(inSoma, text, values) as Promise<Row[]>;
  }

  /** As a service does: encrypts with the version in force and stores. */
  async write(texts: string[]): Promise<void> {
    const batch_input = texts.map((text) => ({ plaintext: Buffer.from(text).toString("base64") }));
    const { data } = await this.#server.root.write<{ batch_results: { ciphertext: string }[] }>(
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
    const { data } = await this.#server.root.write<{ batch_results: { plaintext: string }[] }>(
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
    const found = await keyVersions({ vault: this.#server.root, model: this.#server.model }, this.key);
    assert.ok(found);
    return found;
  }

  async journal(): Promise<Journal> {
    const { journal } = await readJournal({ vault: this.#server.root, model: this.#server.model }, this.key);
    return journal ?? assert.fail("it was never rotated");
  }

  rotate(given: Partial<EncryptionKeyOptions> & { reason?: Reason } = {}) {
    const clock: Clock = {
      now: () => new Date(Date.now() + this.ahead * 1000),
      sleep: async () => {},
    };
    return rotateEncryptionKey({
      vault: this.#server.rotator,
      model: this.#server.model,
      key: this.key,
      reach: this.#server.reach,
      reason: "scheduled",
      owner: "test",
      report: ({ text }) => this.said.push(text),
      signal: new AbortController().signal,
      clock,
      ...given,
    });
  }
}
