import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { TOTP, URI } from "otpauth";
import { type Vault, type VaultAuth, VaultError } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import { EnrolmentError, enrol, type Handover, unwrap } from "../../operations/enrol.ts";
import { UnknownNameError } from "../../operations/values/set.ts";
import { localModel, makePlatform, startTestVault, type TestVault } from "./vault.ts";

let server: TestVault;
let model: Model;
let enroller: Vault;
let nobody: Vault;

before(async () => {
  server = await startTestVault();
  model = await localModel(server);
  const sign = await makePlatform(server, model);
  nobody = server.root.with(undefined);
  const jwt = await sign("enrol.yml");
  const { auth } = await nobody.write("auth/github/login", { role: "keyplane.enrol", jwt });
  enroller = nobody.with(auth?.client_token);
});
after(() => server.stop());

const once = { again: false, report: () => {} };
const again = { again: true, report: () => {} };

async function logIn(handover: Handover): Promise<VaultAuth | undefined> {
  const { auth } = await nobody.write(`auth/userpass/login/${handover.username}`, {
    password: handover.password,
  });
  const method = Object.values(auth?.mfa_requirement?.mfa_constraints ?? {})[0]?.any[0]?.id ?? "";
  const totp = URI.parse(handover.totp);
  assert.ok(totp instanceof TOTP);
  const answer = await nobody.write("sys/mfa/validate", {
    mfa_request_id: auth?.mfa_requirement?.mfa_request_id,
    mfa_payload: { [method]: [totp.generate()] },
  });
  return answer.auth;
}

test("the enrolment role's policy suffices; the person logs in with what was handed over (R50)", async () => {
  const { token, person, email, ttl } = await enrol(enroller, model, "ada", once);
  assert.deepEqual([person, email, ttl], ["ada", "ada@acme.example", 900]);
  const handover = await unwrap(nobody, token);
  assert.equal(handover.username, "ada");
  assert.notEqual((await logIn(handover))?.client_token ?? "", "");
});

test("what is handed over opens once (R57)", async () => {
  const { token } = await enrol(enroller, model, "ben", once);
  await unwrap(nobody, token);
  await assert.rejects(unwrap(nobody, token), (error) => {
    assert.ok(error instanceof EnrolmentError);
    return /someone opened it before you/.test(error.message) && !error.message.includes(token);
  });
});

test("an authenticator shows the organization and the person, not Vault's id", async () => {
  const { token } = await enrol(enroller, model, "cleo", once);
  const { totp: address } = await unwrap(nobody, token);
  const totp = URI.parse(address);
  assert.deepEqual([totp.issuer, totp.label], ["Keyplane acme", "cleo"]);
  assert.ok(
    address.startsWith("otpauth://totp/Keyplane%20acme:cleo?") && !address.includes("+"),
    "blanks as %20",
  );
});

test("a person who has a second factor keeps it and their password, unless it is asked for again", async () => {
  const handover = await unwrap(nobody, (await enrol(enroller, model, "dan", once)).token);
  await assert.rejects(enrol(enroller, model, "dan", once), (error) => {
    assert.ok(error instanceof EnrolmentError);
    return error.message.includes("keyplane enrol dan --again");
  });
  assert.notEqual((await logIn(handover))?.client_token ?? "", "");
});

test("enrolled again, the old second factor and password stop working", async () => {
  const old = await unwrap(nobody, (await enrol(enroller, model, "emil", once)).token);
  const next = await unwrap(nobody, (await enrol(enroller, model, "emil", again)).token);
  await assert.rejects(logIn(old), (error) => error instanceof VaultError && error.status === 400);
  await assert.rejects(
    logIn({ ...next, totp: old.totp }),
    (error) => error instanceof VaultError && error.status === 403,
  );
  assert.notEqual((await logIn(next))?.client_token ?? "", "");
});

test("again works for someone who has no second factor yet", async () => {
  const handover = await unwrap(nobody, (await enrol(enroller, model, "fay", again)).token);
  assert.equal(handover.username, "fay");
});

test("where people log in by OIDC, no password is made", async () => {
  const oidc: Model = { ...model, vault: { ...model.vault, auth: { ...model.vault.auth, human: "oidc" } } };
  const handover = await unwrap(nobody, (await enrol(enroller, oidc, "gus", once)).token);
  assert.deepEqual(Object.keys(handover).sort(), ["totp", "username"]);
  assert.equal(await server.root.read("auth/userpass/users/gus"), undefined);
});

test("only people of the catalogue are enrolled (R59)", async () => {
  await assert.rejects(enrol(enroller, model, "mallory", once), UnknownNameError);
  assert.equal(await server.root.read("auth/userpass/users/mallory"), undefined);
});

test("a person whom Vault does not know yet is told to be deployed first, and gets no login", async () => {
  const more: Model = {
    ...model,
    people: [...model.people, { name: "zoe", email: "zoe@acme.example", groups: [] }],
  };
  await assert.rejects(enrol(enroller, more, "zoe", once), /not in Vault yet/);
  assert.equal(await server.root.read("auth/userpass/users/zoe"), undefined);
});

test("neither password nor second factor stands in the audit log in clear (R52)", async () => {
  const handover = await unwrap(nobody, (await enrol(enroller, model, "hana", once)).token);
  const secret = new URL(handover.totp).searchParams.get("secret") ?? "";
  const log = await readFile(server.auditFile, "utf8");
  assert.ok(log.includes("identity/mfa/method/totp/admin-generate"));
  assert.ok(secret.length > 20 && (handover.password?.length ?? 0) > 20);
  assert.ok(!log.includes(secret) && !log.includes(handover.password ?? ""));
});
