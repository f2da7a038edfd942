import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import { type EnvironmentOverrides, loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import type { Model, Promotion } from "../../../model/model.ts";
import {
  asksForEvidence,
  type Evidence,
  type Expected,
  evidenceOf,
  refusal,
} from "../../../operations/rotation/evidence.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import {
  EvidenceError,
  loginToPrevious,
  requireEvidence,
  writeEvidence,
} from "../../../operations/rotation/promotion.ts";
import { writeSource } from "../../../operations/values/deliver.ts";
import { makePlatform, startTestVault, type TestVault } from "../vault.ts";

const hour = 3_600_000;
const now = new Date();
const ago = (time: number) => new Date(now.getTime() - time).toISOString();

/** A rotation that ended an hour ago, with a day's overlap before that. */
const done: Journal = {
  state: "done",
  id: "rotation-1",
  reason: "scheduled",
  owner: "keyplane.rotate",
  leaseUntil: ago(hour),
  attempt: 1,
  from: 1,
  to: 2,
  final: 3,
  startedAt: ago(26 * hour),
  switchedAt: ago(25 * hour),
  since: ago(hour),
  skipped: [],
  fingerprints: { primary: "vault:v1:x" },
  history: [],
};

function shown(change: Partial<Journal> = {}, commit = "c0ffee"): Evidence {
  const context = { environment: "staging", secret: { id: "titan/hmac" }, commit, lasts: 14 * 86_400 };
  const evidence = evidenceOf({ ...done, ...change }, { ...context, by: "keyplane.rotate" });
  if (evidence === undefined) throw new Error("no evidence");
  return evidence;
}

const expected: Expected = {
  secret: "titan/hmac",
  environment: "staging",
  commit: "c0ffee",
  version: 3,
  healthyFor: 300,
  now,
};

suite("what evidence says", () => {
  test("of a rotation that ended: version, commit, how long it was healthy, and when it expires; no value", () => {
    assert.deepEqual(shown(), {
      format: 2,
      environment: "staging",
      secret: "titan/hmac",
      rotation: "rotation-1",
      commit: "c0ffee",
      version: 3,
      outcome: "done",
      reason: "scheduled",
      startedAt: ago(26 * hour),
      healthyFrom: ago(25 * hour),
      healthyUntil: ago(hour),
      expires: new Date(now.getTime() - hour + 14 * 24 * hour).toISOString(),
      by: "keyplane.rotate",
      fingerprints: { primary: "vault:v1:x" },
    });
  });
  test("nothing of one that is under way", () => {
    const context = { environment: "staging", secret: { id: "titan/hmac" }, commit: "c", lasts: 1, by: "b" };
    assert.equal(evidenceOf({ ...done, state: "drain" }, context), undefined);
  });
  test("only a scheduled rotation asks for it: a compromise and a leaver cannot wait (R21)", () => {
    assert.deepEqual(
      (["scheduled", "compromise", "leaver", "first"] as const).map((reason) => asksForEvidence(reason)),
      [true, false, false, false],
    );
  });
});

suite("R25: which evidence lets the next environment follow", () => {
  const refused = (evidence: Evidence | undefined, change: Partial<Expected> = {}, isSealed = true) =>
    refusal(evidence, isSealed, { ...expected, ...change })?.case;

  test("one of the same secret, commit and version, healthy, not expired, newer than the last rotation here", () => {
    assert.equal(refused(shown()), undefined);
    assert.equal(refused(shown(), { last: new Date(ago(27 * hour)) }), undefined);
  });
  test("none is refused, with what to run", () => {
    assert.equal(refused(undefined), "absent");
    assert.equal(
      refusal(undefined, false, expected)?.why,
      "staging has no evidence of a rotation; rotate it there: keyplane rotate titan/hmac --environment staging",
    );
  });
  test("one that another role wrote is refused", () => {
    assert.equal(refused(shown(), {}, false), "another role");
    assert.equal(refused({ ...shown(), by: "token-ada" }), "another role");
  });
  test("one of another secret or environment is refused", () => {
    assert.equal(refused(shown(), { secret: "titan/nats" }), "another secret");
    assert.equal(refused(shown(), { environment: "integration" }), "another secret");
  });
  test("one of a rotation that was rolled back is refused", () => {
    assert.equal(refused(shown({ state: "rolled-back" })), "unhealthy");
  });
  test("one of a rotation that nothing watched, although it was to be, is refused (R48)", () => {
    assert.equal(shown({ notWatched: true })?.notWatched, true);
    assert.equal(refused(shown({ notWatched: true })), "unhealthy");
  });
  test("one of a rotation that left a declared probe out is refused, unless the catalogue says so there (R46)", () => {
    const left = (acknowledged: boolean) => shown({ notProbed: [{ consumer: "titan/brain", acknowledged }] });
    assert.deepEqual(left(false).notProbed, [{ consumer: "titan/brain", acknowledged: false }]);
    assert.equal(refused(left(false)), "unhealthy");
    assert.match(
      refusal(left(false), true, expected)?.why ?? "",
      /^staging did not probe titan\/brain in its rotation rotation-1, as the catalogue asks; .*--root \/.*observe: none/,
    );
    assert.equal(refused(left(true)), undefined);
  });
  test("one that has not been in force there for as long as is watched here is refused", () => {
    const young = { startedAt: ago(400_000), switchedAt: ago(299_000), since: ago(200_000) };
    assert.equal(refused(shown(young)), "unhealthy");
    assert.equal(refused(shown(young), { healthyFor: 299 }), undefined);
  });
  test("one of a version that is no longer in force there is refused", () => {
    assert.equal(refused(shown(), { version: 4 }), "another version");
    assert.equal(refused(shown(), { version: 0 }), "another version");
  });
  test("one that has expired is refused, with five minutes for clocks that differ", () => {
    const end = now.getTime() - hour + 14 * 24 * hour;
    assert.equal(refused(shown(), { now: new Date(end + 299_000) }), undefined);
    assert.equal(refused(shown(), { now: new Date(end + 301_000) }), "expired");
  });
  test("one of another commit is refused, and both are named", () => {
    const other = refusal(shown({}, "0123456789abcdef"), true, expected);
    assert.equal(other?.case, "another commit");
    assert.match(
      other.why,
      /of commit 0123456789ab, and this is c0ffee; check that one out here, or rotate it there/,
    );
  });
  test("one that has let a rotation begin here already is refused", () => {
    assert.equal(refused(shown(), { last: new Date(ago(26 * hour)) }), "used");
    assert.equal(refused(shown(), { last: new Date(ago(2 * hour)) }), "used");
  });
});

interface Environment {
  vault: TestVault;
  model: Model;
}

/** Staging's Vault and production's, each with the platform of its own. */
const [staging, production] = await Promise.all([start("staging"), start("production")]);
after(async () => {
  await Promise.all([staging.vault.stop(), production.vault.stop()]);
});

const signStaging = await makePlatform(staging.vault, staging.model);
await staging.vault.root.write(`transit/keys/${staging.model.vault.evidenceKey}`, {
  type: "hmac",
  key_size: 32,
});
await makePlatform(production.vault, production.model);
const promotion: Promotion = { ...must(production.model.promotion), address: staging.vault.address };

async function start(environment: string): Promise<Environment> {
  const vault = await startTestVault();
  const overrides: EnvironmentOverrides = {
    vault: { address: vault.address, "human-login": "userpass" },
    github: { issuer: "https://127.0.0.1:1" },
  };
  return { vault, model: derive(await loadCatalogue("catalogue"), environment, overrides) };
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("it is not there");
  return value;
}

/** A token that GitHub signs for a job of production. */
function inProduction(workflow = "rotate.yml"): Promise<string> {
  return signStaging(workflow, { environment: "production-rotate" });
}

async function login(vault: Vault, role: string, jwt: string): Promise<Vault> {
  const { auth } = await vault.with(undefined).write("auth/github/login", { role, jwt });
  return vault.with(must(auth).client_token);
}

const rotator = await login(staging.vault.root, "keyplane.rotate", await signStaging("rotate.yml"));
const reader = await loginToPrevious({
  promotion,
  vault: staging.vault.root.with(undefined),
  env: {},
  sign: () => inProduction(),
});

/** A secret of staging with three versions, whose last rotation is `done`, and the question that production asks. */
function secretOf(model: Model, id: string) {
  return must(model.secrets.find((secret) => secret.id === id));
}

async function threeVersions(id: string): Promise<void> {
  const writer = { vault: rotator, model: staging.model, by: "keyplane.rotate" };
  for (const after of [0, 1, 2]) {
    const fields = { primary: `value-${after}`, secondary: "before", "key-id": "k" };
    await writeSource(writer, secretOf(staging.model, id), { fields, after });
  }
}

function evidenceFor(id: string, change: Partial<Journal> = {}): Evidence {
  return { ...shown(change), secret: id };
}

const asked = { commit: "c0ffee", healthyFor: 300, now };

function ask(id: string, change: Partial<typeof asked> & { last?: Date } = {}): Promise<Evidence> {
  const secret = secretOf(production.model, id);
  return requireEvidence({ vault: reader, promotion, subject: secret }, { ...asked, ...change });
}

async function refusedCase(answer: Promise<unknown>): Promise<string> {
  const error = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof EvidenceError)) throw new Error(`not refused for its evidence: ${error}`);
  return error.case ?? "";
}

suite("R25: staging's evidence on its real Vault, read by production", () => {
  test("what staging's rotation role wrote lets production's rotate workflow begin", async () => {
    await threeVersions("titan/hmac");
    const written = await writeEvidence(
      { vault: rotator, model: staging.model },
      secretOf(staging.model, "titan/hmac"),
      evidenceFor("titan/hmac"),
    );
    assert.equal(written, true);
    assert.deepEqual(await ask("titan/hmac"), evidenceFor("titan/hmac"));
  });
  test("without evidence, and with that of another version, commit or time, production is refused by name", async () => {
    assert.equal(await refusedCase(ask("titan/nats")), "absent");
    assert.equal(await refusedCase(ask("titan/hmac", { commit: "beef" })), "another commit");
    const later = new Date(now.getTime() + 15 * 24 * hour);
    assert.equal(await refusedCase(ask("titan/hmac", { now: later })), "expired");
    assert.equal(await refusedCase(ask("titan/hmac", { last: now })), "used");
    assert.equal(await refusedCase(ask("titan/hmac", { healthyFor: 30 * 86_400 })), "unhealthy");
    const writer = { vault: rotator, model: staging.model, by: "keyplane.rotate" };
    const fields = { primary: "set-by-hand", secondary: "before", "key-id": "k" };
    await writeSource(writer, secretOf(staging.model, "titan/hmac"), { fields, after: 3 });
    assert.equal(await refusedCase(ask("titan/hmac")), "another version");
  });
  test("a rotation that staging rolled back takes the place of the good one before", async () => {
    const id = "soma/redis";
    const secret = secretOf(staging.model, id);
    const writing = { vault: rotator, model: staging.model };
    await threeVersions(id);
    await writeEvidence(writing, secret, evidenceFor(id));
    await ask(id);
    const rolledBack = { state: "rolled-back", id: "rotation-2", startedAt: ago(hour) } as const;
    await writeEvidence(writing, secret, evidenceFor(id, rolledBack));
    assert.equal(await refusedCase(ask(id)), "unhealthy");
    // The older one, written late, does not come back.
    assert.equal(await writeEvidence(writing, secret, evidenceFor(id)), false);
    assert.equal(await refusedCase(ask(id)), "unhealthy");
  });
  test("what anyone else wrote is refused, also with the seal of a true one", async () => {
    const id = "soma/auth-internal-token";
    const secret = secretOf(staging.model, id);
    await threeVersions(id);
    const path = `kv/data/${secret.evidence}`;
    const { root } = staging.vault;
    await root.write(path, { data: { evidence: evidenceFor(id), seal: "vault:v1:AAAA" } });
    assert.equal(await refusedCase(ask(id)), "another role");
    await root.write(path, { data: { evidence: evidenceFor(id), seal: "no seal" } });
    assert.equal(await refusedCase(ask(id)), "another role");
    const true_ = await root.read<{ data: { seal: string } }>("kv/data/evidence/titan/hmac");
    await root.write(path, { data: { evidence: evidenceFor(id), seal: must(true_).data.seal } });
    assert.equal(await refusedCase(ask(id)), "another role");
    // The rotation role is not taken in by it either.
    const writing = { vault: rotator, model: staging.model };
    await writeEvidence(writing, secret, evidenceFor(id));
    await ask(id);
    await root.write(path, { data: { commit: "c0ffee" }, options: { cas: 4 } });
    assert.equal(await refusedCase(ask(id)), "another role");
    // One that was changed after it was sealed.
    await writeEvidence(writing, secret, evidenceFor(id, { state: "rolled-back" }));
    const sealed = must(await root.read<{ data: { evidence: Evidence; seal: string } }>(path)).data;
    await root.write(path, {
      data: { ...sealed, evidence: { ...sealed.evidence, outcome: "done" } },
      options: { cas: 6 },
    });
    assert.equal(await refusedCase(ask(id)), "another role");
  });
  test("evidence goes by itself: Vault deletes it when it expires", async () => {
    const metadata = must(
      await staging.vault.root.read<{
        cas_required: boolean;
        delete_version_after: string;
        versions: Record<string, { created_time: string; deletion_time: string }>;
      }>("kv/metadata/evidence/titan/hmac"),
    );
    assert.equal(metadata.cas_required, true);
    assert.equal(metadata.delete_version_after, "336h0m0s");
    const { created_time, deletion_time } = must(metadata.versions["1"]);
    assert.equal(Date.parse(deletion_time) - Date.parse(created_time), 14 * 24 * hour);
  });
  test("two runners that write it at once leave one", async () => {
    const id = "soma/crypto-fernet";
    const secret = secretOf(staging.model, id);
    await threeVersions(id);
    const writing = { vault: rotator, model: staging.model };
    const both = await Promise.all([
      writeEvidence(writing, secret, evidenceFor(id)),
      writeEvidence(writing, secret, evidenceFor(id)),
    ]);
    assert.deepEqual(both.sort(), [false, true]);
    await ask(id);
  });
  test("an environment that nobody comes after writes none", async () => {
    const writing = { vault: production.vault.root, model: production.model };
    const secret = secretOf(production.model, "titan/hmac");
    assert.equal(await writeEvidence(writing, secret, evidenceFor("titan/hmac")), false);
    assert.equal(await production.vault.root.read("kv/data/evidence/titan/hmac"), undefined);
  });
});

suite("R25: what production may do in staging", () => {
  const denied = (work: Promise<unknown>) => assert.rejects(work, { name: "VaultError", status: 403 });
  const { evidence, source, journal } = secretOf(production.model, "titan/hmac");

  test("it writes no evidence and makes no seal", async () => {
    await denied(reader.write(`kv/data/${evidence}`, { data: {}, options: { cas: 1 } }));
    await denied(reader.write(`kv/metadata/${evidence}`, { cas_required: false }));
    await denied(reader.delete(`kv/data/${evidence}`));
    await denied(reader.write("transit/hmac/keyplane.evidence", { input: "" }));
  });
  test("of an encryption key it reads which versions there are, and makes none", async () => {
    const { key } = must(staging.model.encryptionKeys.find(({ id }) => id === "titan/documents"));
    await staging.vault.root.write(`transit/keys/${key}`, { type: "aes256-gcm96" });
    assert.equal(
      must(await reader.read<{ latest_version: number }>(`transit/keys/${key}`)).latest_version,
      1,
    );
    await denied(reader.write(`transit/keys/${key}/rotate`));
    await denied(reader.write(`transit/keys/${key}/config`, { min_decryption_version: 1 }));
    await denied(reader.write(`transit/decrypt/${key}`, { ciphertext: "vault:v1:AAAA" }));
    await denied(reader.write(`transit/rewrap/${key}`, { ciphertext: "vault:v1:AAAA" }));
  });
  test("it reads no value, no journal and no consumer's path, and cannot rotate there", async () => {
    await denied(reader.read(`kv/data/${source}`));
    await denied(reader.read(`kv/data/${journal}`));
    await denied(reader.read("kv/data/services/titan/titan-brain/hmac"));
    await denied(reader.write(`kv/data/${source}`, { data: {} }));
    await denied(reader.write("transit/hmac/keyplane.fingerprint", { input: "" }));
  });
  test("its role is its rotate workflow's alone, in its own GitHub environment and on its branch", async () => {
    const vault = staging.vault.root;
    const enter = async (jwt: Promise<string>) => login(vault, promotion.role, await jwt);
    const refused = { name: "VaultError", status: 400 };
    await assert.rejects(enter(inProduction("deploy.yml")), refused);
    await assert.rejects(enter(signStaging("rotate.yml")), refused);
    await assert.rejects(
      enter(signStaging("rotate.yml", { environment: "production-rotate", ref: "refs/heads/x" })),
      refused,
    );
    await assert.rejects(
      enter(signStaging("rotate.yml", { environment: "production-rotate", repository_id: "1" })),
      refused,
    );
    await assert.rejects(
      enter(signStaging("rotate.yml", { environment: "production-rotate", event_name: "pull_request" })),
      refused,
    );
    await enter(inProduction());
  });
  test("production's rotation role is nobody in staging", async () => {
    await assert.rejects(login(staging.vault.root, "keyplane.rotate", await inProduction()), {
      name: "VaultError",
      status: 400,
    });
  });
});

test("what a compromise or a leaver made there was not watched: it does not count as kept healthy", () => {
  for (const reason of ["compromise", "leaver"] as const) {
    const found = refusal(shown({ reason }), true, expected);
    assert.equal(found?.case, "unhealthy");
    assert.match(found.why, new RegExp(`^staging rotated after a ${reason} and watched no error rates`));
  }
});
