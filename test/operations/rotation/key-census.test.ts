import assert from "node:assert/strict";
import { before, test } from "node:test";
import { exit } from "../../../cli/exit.ts";
import { censusCode, censusJson, censusText } from "../../../cli/rotation-census.ts";
import type { Secret } from "../../../model/model.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import {
  type Counting,
  censusOfFernet,
  censusOfKey,
  fernetUse,
  type KeyCensus,
} from "../../../operations/rotation/key-census.ts";
import { keyStatusOf } from "../../../operations/rotation/key-status.ts";
import { statusOf } from "../../../operations/rotation/status.ts";
import { freePort } from "../../free-port.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { Documents } from "./documents.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { apiKeys } from "./re-encryption/api-keys.ts";

const day = 86_400_000;
let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

const counting = (given: Partial<Counting> = {}): Counting => ({
  vault: server.rotator,
  model: server.model,
  reach: server.reach,
  report: () => {},
  signal: new AbortController().signal,
  ...given,
});

async function ofDocuments(documents: Documents, given: Partial<Counting> = {}): Promise<KeyCensus> {
  const now = new Date(Date.now() + documents.ahead * 1000);
  const [status] = await keyStatusOf(counting(given), [documents.key], now);
  assert.ok(status);
  return censusOfKey(counting(given), status, now);
}

const rowsOf = ({ versions }: KeyCensus) => versions.map(({ version, use, rows }) => [version, use, rows]);

test("R62: of a transit key each version is counted in the real table, with its retention and what forbids retirement (R22, R23)", async () => {
  const documents = await Documents.make(server, { rows: 5 });
  const [old = ""] = await documents.ciphertexts();
  assert.deepEqual(rowsOf(await ofDocuments(documents)), [[1, "encrypts", 5]]);
  await documents.rotate({ anew: true });
  await documents.store([old]);
  const census = await ofDocuments(documents);
  assert.deepEqual(rowsOf(census), [
    [2, "encrypts", 5],
    [1, "decrypts", 1],
  ]);
  const [second, first] = census.versions;
  const ends = new Date((second?.made?.getTime() ?? 0) + 30 * day);
  assert.deepEqual(first?.keptUntil, ends);
  assert.deepEqual(first?.forbids, [
    "1 row is under it",
    `kept until ${ends.toISOString()}`,
    "its rotation is at drain",
  ]);
  assert.deepEqual(censusText(census), [
    `  version 2, of ${second?.made?.toISOString().slice(0, 10)}: encrypts, 5 rows`,
    `  version 1, of ${first?.made?.toISOString().slice(0, 10)}: decrypts, 1 row, retention ends ${ends.toISOString()}, ` +
      `may not be retired: 1 row is under it; kept until ${ends.toISOString()}; its rotation is at drain`,
    `  soma/main public.${documents.key.stored[0]?.table}.body: 1 v1, 5 v2`,
  ]);
  assert.equal(censusCode(census), exit.clean);
  // Nothing was changed by looking.
  assert.deepEqual(rowsOf(await ofDocuments(documents)), rowsOf(census));
});

test("R62: rows under a version that Vault refuses or has deleted are a finding, and so is what is not encrypted", async () => {
  const documents = await Documents.make(server, { rows: 2 });
  const [old = ""] = await documents.ciphertexts();
  await documents.rotate({ reason: "compromise" });
  const kept = await ofDocuments(documents);
  assert.deepEqual([rowsOf(kept).at(-1), kept.findings], [[1, "refused", 0], []]);
  await documents.store([old]);
  const refused = await ofDocuments(documents);
  assert.deepEqual(rowsOf(refused).at(-1), [1, "refused", 1]);
  assert.deepEqual(refused.findings, [
    "1 row is under version 1, which Vault refuses: no service can read them",
  ]);
  assert.equal(censusCode(refused), exit.finding);
  await server.root.write(`transit/keys/${documents.key.key}/trim`, { min_available_version: 2 });
  await documents.store(["in the clear"]);
  const gone = await ofDocuments(documents);
  assert.deepEqual(rowsOf(gone), [
    [2, "encrypts", 2],
    [1, "gone", 1],
  ]);
  assert.deepEqual(gone.findings, [
    "1 row is under version 1, which is gone: no service can read them",
    `soma/main public.${documents.key.stored[0]?.table}.body: 1 row is under no version of this key, or not encrypted`,
  ]);
  assert.ok(!JSON.stringify([censusText(gone), censusJson(gone)]).includes("in the clear"));
});

test("R62: a table that cannot be read is said to be unknown, with its reason and exit code; nothing counts as zero", async () => {
  const documents = await Documents.make(server, { rows: 2 });
  await documents.rotate({ anew: true });
  const port = await freePort();
  const down = await ofDocuments(documents, {
    reach: { manage: (database) => server.reach.manage({ ...database, port }) },
  });
  assert.deepEqual(rowsOf(down), [
    [2, "encrypts", undefined],
    [1, "decrypts", undefined],
  ]);
  assert.equal(down.versions[1]?.forbids[0], "whether a row needs it is not known");
  assert.match(
    censusText(down).at(-1) ?? "",
    /^ {2}rows are not counted: The database soma\/main at 127\.0\.0\.1:\d+ is not there for now/,
  );
  assert.equal(censusCode(down), exit.unreachable);
  await documents.query(`DROP TABLE ${documents.key.stored[0]?.table}`);
  const missing = await ofDocuments(documents);
  assert.match(missing.unknown?.why ?? "", /the table has no column id and no column body/);
  assert.equal(censusCode(missing), exit.input);
  assert.deepEqual((censusJson(missing) as { versions: { rows: unknown }[] }).versions[0]?.rows, null);
});

test("a key of which the catalogue names no stored ciphertext counts nothing, and says that nothing shows who needs it", async () => {
  const documents = await Documents.make(server, { rows: 1 });
  await server.root.write(`transit/keys/${documents.key.key}/rotate`);
  documents.key.stored.length = 0;
  const census = await ofDocuments(documents);
  assert.deepEqual(rowsOf(census), [
    [2, "encrypts", undefined],
    [1, "decrypts", undefined],
  ]);
  assert.equal(
    census.versions[1]?.forbids[0],
    "the catalogue names no stored ciphertext, so nothing shows that nobody needs it",
  );
  assert.equal(censusCode(census), exit.clean);
});

test("R62: of a Fernet key each row is counted under the source's version whose key signed it, and no key is told", async () => {
  const table = await apiKeys(server);
  const secret: Secret = { ...table.secret, source: "source/soma/census" };
  const write = (data: object) => server.root.write(`kv/data/${secret.source}`, { data });
  await write(table.old);
  await write(table.next);
  // Rolled back or finished, a version may hold the key of one before.
  await write({ key: table.next.key, previous: table.next.key });
  await table.fill(["a", "b", "c"]);
  await table.fill(["d"], table.next.key);
  await table.query("INSERT INTO api_keys (ciphertext) VALUES ('sk-in-the-clear')");
  const now = new Date();
  const [status] = await statusOf(counting(), [secret], now);
  assert.ok(status);
  const said: string[] = [];
  const census = await censusOfFernet(counting({ report: ({ text }) => said.push(text) }), status, now);
  assert.deepEqual(rowsOf(census), [
    [3, "encrypts", 1],
    [1, "kept", 3],
  ]);
  const name = `soma/main public.${secret.stored[0]?.table}.ciphertext`;
  assert.deepEqual(census.findings, [
    "3 rows are under version 1, which nobody is given: no service can read them",
    `${name}: 1 row is under no version of this key, or not encrypted`,
  ]);
  assert.deepEqual(said, [`${name}: 5 rows counted`]);
  const printed = JSON.stringify([censusText(census), censusJson(census)]);
  for (const value of [table.old.key, table.next.key, "sk-in-the-clear"])
    assert.ok(!printed.includes(value ?? " "));
});

test("until the signers have the next Fernet key the one before encrypts; then it decrypts until its overlap has passed", () => {
  const at = "2026-11-01T00:00:00.000Z";
  const journal = { state: "deliver-listeners", from: 4, to: 5 } as Journal;
  const use = (version: number, given: Partial<Journal> = {}) =>
    fernetUse(version, 5, { ...journal, ...given }, 30 * 86_400);
  assert.deepEqual([use(4), use(5)], [{ use: "encrypts" }, { use: "decrypts" }]);
  const switched = { state: "migrate", switchedAt: at } as const;
  assert.deepEqual(use(5, switched), { use: "encrypts" });
  assert.deepEqual(use(4, switched), { use: "decrypts", keptUntil: new Date("2026-12-01T00:00:00.000Z") });
  const kept = [{ version: 3, until: "2026-11-20T00:00:00.000Z" }];
  assert.deepEqual(use(3, { state: "done", kept }), {
    use: "kept",
    keptUntil: new Date("2026-11-20T00:00:00.000Z"),
  });
});
