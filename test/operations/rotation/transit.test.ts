import assert from "node:assert/strict";
import { before, test } from "node:test";
import { keyPlanText } from "../../../cli/rotation-plan.ts";
import { type Vault, VaultError } from "../../../clients/vault.ts";
import { planKeys } from "../../../operations/rotation/key-runner.ts";
import { verifyRetired } from "../../../operations/rotation/key-versions.ts";
import type { Outcome } from "../../../operations/rotation/outcome.ts";
import { StillAcceptedError } from "../../../operations/rotation/rotator.ts";
import type { Wanted } from "../../../operations/rotation/status.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { Documents } from "./documents.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";

const day = 86_400;
let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

const made = (given?: { rows?: number; retain?: number }) => Documents.make(server, given);

test("a new version, everything stored under it, and the old one kept for 30 d before it is deleted (R22–R24)", async () => {
  const documents = await made({ rows: 700 });
  const first = await documents.rotate({ anew: true });
  assert.deepEqual([first.state, first.from, first.to], ["drain", 1, 2]);
  assert.match(first.waiting ?? "", /^versions before 2 decrypt until /);
  assert.equal(first.waitsFor, "time");
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
  const documents = await made({ rows: 3 });
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
  const documents = await made({ rows: 3 });
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
  assert.equal(waits.waitsFor, undefined);
  assert.equal((await documents.versions()).decrypts, 1);
  assert.equal((await documents.rotate()).state, "done");
  assert.equal((await documents.texts()).length, 4);
});

test("a compromise refuses the old version at once and keeps it for 30 d: a backup may need it (R21, R22)", async () => {
  const documents = await made({ rows: 20 });
  const [backedUp = ""] = await documents.ciphertexts();
  const end = await documents.rotate({ reason: "compromise" });
  assert.deepEqual(end.skipped, ["the 2592000 s for which old versions decrypt were cut short"]);
  assert.match(end.notes.join(), /^versions before 2 are refused, and kept until \d{4}-/);
  assert.equal(end.state, "done");
  assert.deepEqual(await documents.prefixes(), ["vault:v2"]);
  const { decrypts, available } = await documents.versions();
  assert.deepEqual([decrypts, available], [2, 1]);

  // A backup comes back: the note says how it is opened, and the next run rewraps it.
  await documents.store([backedUp]);
  await server.root.write(`transit/keys/${documents.key.key}/config`, { min_decryption_version: 1 });
  const waits = await documents.rotate();
  assert.equal(waits.state, "drain");
  assert.deepEqual(await documents.prefixes(), ["vault:v2"]);
  documents.ahead = 30 * day - 60;
  assert.equal((await documents.rotate()).state, "drain");
  assert.equal((await documents.versions()).available, 1);
  documents.ahead = 30 * day + 60;
  assert.equal((await documents.rotate()).state, "done");
  assert.equal((await documents.versions()).available, 2);
  assert.equal((await documents.texts()).length, 21);
});

test("asked to, a compromise deletes the old version at once and says what is lost; still no row needs it (R23, R24)", async () => {
  const documents = await made({ rows: 20 });
  const end = await documents.rotate({ reason: "compromise", destroysOld: true });
  assert.deepEqual(
    [end.state, end.skipped],
    [
      "done",
      ["the 2592000 s for which old versions are kept were cut short: what backups hold under them is lost"],
    ],
  );
  assert.deepEqual(await documents.prefixes(), ["vault:v2"]);
  assert.equal((await documents.versions()).available, 2);
});

test("a compromise hastens a version whose predecessors are kept, and another one follows: it may be the one that leaked (R21)", async () => {
  const documents = await made({ rows: 20 });
  const first = await documents.rotate({ anew: true });
  assert.deepEqual([first.state, first.to], ["drain", 2]);
  const second = await documents.rotate({ reason: "compromise" });
  assert.deepEqual([second.state, second.from, second.to], ["done", 2, 3]);
  const { reason, followedBy, history } = await documents.journal();
  assert.deepEqual([reason, followedBy], ["compromise", undefined]);
  assert.deepEqual(
    history.map((past) => [past.reason, past.outcome, past.from, past.to]),
    [["compromise", "done", 1, 2]],
  );
  assert.deepEqual(await documents.prefixes(), ["vault:v3"]);
  const { decrypts, available } = await documents.versions();
  assert.deepEqual([decrypts, available], [3, 1]);
});

for (const [when, path] of [
  ["works at the key", /\/rewrap\//],
  ["gives the lease back", /"state":"drain".*"waiting"/],
] as const) {
  test(`a compromise told while another runner ${when} is found by that one, which makes the version that follows (R21)`, async () => {
    const documents = await made({ rows: 20 });
    let told: Outcome | undefined;
    const vault = server.rotator.with(server.rotator.token);
    const request: Vault["request"] = async (method, at, options) => {
      if (told === undefined && path.test(`${at} ${JSON.stringify(options?.body)}`)) {
        told = await documents.rotate({ owner: "the second", reason: "compromise", destroysOld: true });
      }
      return server.rotator.request<never>(method, at, options);
    };
    vault.request = request;
    const end = await documents.rotate({ vault, owner: "the first", anew: true });
    assert.match(told?.waiting ?? "", /^the first is at it \((migrate|drain)\)$/);
    assert.deepEqual([end.state, end.to], ["done", 3]);
    assert.deepEqual(await documents.prefixes(), ["vault:v3"]);
    const { decrypts, available } = await documents.versions();
    assert.deepEqual(
      [decrypts, available],
      [3, 3],
      "what was asked of old versions holds for the one that follows",
    );
  });
}

test("a version that Vault made by itself is rewrapped to, and none is added (R17)", async () => {
  const documents = await made({ rows: 5 });
  await server.root.write(`transit/keys/${documents.key.key}/rotate`);
  await documents.rotate();
  assert.deepEqual(await documents.prefixes(), ["vault:v2"]);
  assert.equal((await documents.versions()).latest, 2);
});

test("nothing is done where nothing is due; a version older than its period is replaced", async () => {
  const documents = await made({ rows: 1 });
  assert.equal((await documents.rotate()).unchanged, true);
  documents.ahead = 91 * day;
  const late = await documents.rotate();
  assert.deepEqual([late.unchanged, late.to], [false, 2]);
});

test("a dry run says whether a version is made and what is left behind, and the run does just that", async () => {
  const documents = await made({ rows: 5 });
  const { key } = documents;
  const plan = async (wanted: Wanted) => {
    const clock = { now: () => new Date(Date.now() + documents.ahead * 1000), sleep: async () => {} };
    const { rotator: vault, model, reach } = server;
    const signal = new AbortController().signal;
    const runner = {
      vault,
      model,
      reach,
      clock,
      signal,
      by: "test",
      report() {},
      host: { runs: "/nonexistent" },
    };
    const [row] = await planKeys(runner, [key], wanted);
    assert.ok(row);
    return keyPlanText(row)[0];
  };
  const due: Wanted = { what: "due" };
  const compromise: Wanted = { what: "these", reason: "compromise" };
  const latest = async () => (await documents.versions()).latest;

  await server.root.write(`transit/keys/${key.key}/rotate`);
  assert.equal(
    await plan(due),
    "titan/documents: would make no version: Vault has made version 2 by itself.",
  );
  const own = await documents.rotate();
  assert.deepEqual([own.state, own.to, await latest()], ["drain", 2, 2]);

  assert.equal(
    await plan(compromise),
    "titan/documents: would end what is at drain, then make a version after 2 (compromise).",
  );
  await documents.rotate({ reason: "compromise" });
  assert.deepEqual([(await documents.journal()).history.length, await latest()], [1, 3]);

  documents.ahead = 31 * day;
  assert.equal(
    await plan(due),
    "titan/documents: would make no version: an earlier rotation has replaced those before 3.",
  );
  assert.equal((await documents.rotate()).state, "done");
  const { available } = await documents.versions();
  assert.deepEqual([available, await latest()], [3, 3]);

  documents.ahead = 91 * day;
  assert.equal(await plan(due), "titan/documents: would make a version after 3 (scheduled).");
  assert.deepEqual([(await documents.rotate()).to, await latest()], [4, 4]);
});

test("without a column in the catalogue the old versions stay, and the outcome says why", async () => {
  const documents = await made();
  const key = { ...documents.key, stored: [] };
  const end = await documents.rotate({ key, anew: true });
  assert.equal(end.state, "done");
  assert.match(end.notes.join(), /names no stored ciphertext of titan\/documents: its old versions stay/);
  documents.ahead = 31 * day;
  assert.equal((await documents.rotate({ key })).unchanged, true);
  assert.equal((await documents.versions()).decrypts, 1);
});

test("ciphertext that Vault cannot open, and text that is none, stay as they are", async () => {
  const documents = await made({ rows: 2 });
  const odd = ["plain text", "vault:v9:AAAA"];
  await documents.store(odd);
  await documents.rotate({ anew: true });
  assert.deepEqual((await documents.ciphertexts()).slice(2), odd);
});

test("nothing begins after a rotation of the key that whoever asks has not seen", async () => {
  const documents = await made();
  const key = { ...documents.key, stored: [] };
  const first = await documents.rotate({ key, anew: true, owner: "the first" });
  const second = await documents.rotate({ key, anew: true, after: "" });
  assert.deepEqual([second.id, second.unchanged, second.doneBy], [first.id, true, "the first"]);
  assert.equal((await documents.versions()).latest, 2);
  assert.equal((await documents.rotate({ key, anew: true, after: first.id })).unchanged, false);
  assert.equal((await documents.versions()).latest, 3);
});

test("a compromise told while a compromise's version is on its way is followed by another one (R21)", async () => {
  const documents = await made({ rows: 20 });
  let told: Outcome | undefined;
  const vault = server.rotator.with(server.rotator.token);
  const request: Vault["request"] = async (method, path, options) => {
    if (told === undefined && path.includes("/rewrap/"))
      told = await documents.rotate({ owner: "the second", reason: "compromise" });
    return server.rotator.request<never>(method, path, options);
  };
  vault.request = request;
  const end = await documents.rotate({ vault, owner: "the first", reason: "compromise" });
  assert.equal(told?.busy?.owner, "the first");
  assert.deepEqual([end.state, end.from, end.to], ["done", 2, 3]);
  const { history, followedBy } = await documents.journal();
  assert.deepEqual(
    [history.map(({ reason, to }) => [reason, to]), followedBy],
    [[["compromise", 2]], undefined],
  );
  assert.deepEqual(await documents.prefixes(), ["vault:v3"]);
});

test("a version that still decrypts is not taken for retired", async () => {
  const documents = await made();
  await server.root.write(`transit/keys/${documents.key.key}/rotate`);
  const at = { vault: server.rotator, model: server.model };
  await assert.rejects(verifyRetired(at, documents.key, 2), StillAcceptedError);
  await server.root.write(`transit/keys/${documents.key.key}/config`, { min_decryption_version: 2 });
  await verifyRetired(at, documents.key, 2);
});

test("the rotation role rewraps and cannot decrypt: no plaintext leaves Vault", async () => {
  const documents = await made({ rows: 1 });
  const [ciphertext] = await documents.ciphertexts();
  await assert.rejects(
    server.rotator.write(`transit/decrypt/${documents.key.key}`, { ciphertext }),
    (error) => error instanceof VaultError && error.status === 403,
  );
});
