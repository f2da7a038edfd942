import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Vault } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import { enrol, unwrap } from "../../operations/enrol.ts";
import { startStack, type TestStack } from "./stack.ts";
import { copyCatalogue } from "./support/catalogue-copy.ts";
import { asService } from "./support/credentials.ts";
import { gitHubJobs, rightClaims } from "./support/github-job.ts";
import { type Login, login, statusOf } from "./support/login.ts";
import { EnrolledPerson } from "./support/person.ts";
import { TokenForge } from "./support/token-forge.ts";

let stack: TestStack;
let model: Model;
let vault: Vault;

before(async () => {
  stack = await startStack();
  ({ model } = stack.first);
  ({ vault } = stack);
});
after(() => stack?.[Symbol.asyncDispose]());

function assertRefused(outcome: Login, because: RegExp, status = 403): void {
  assert.equal(outcome.admitted, false, "Vault gave a token");
  if (outcome.admitted) return;
  assert.equal(outcome.status, status, outcome.errors);
  assert.match(outcome.errors, because);
}

const wrong = /failed to validate TOTP passcode/;
const absent = /MFA credentials not supplied|failed to find MFA credentials/;

describe("a person's login (R50)", () => {
  test("is refused without a code, and its request alone opens nothing", async () => {
    const ada = await EnrolledPerson.enrol(stack, "ada");
    const pending = await ada.start();
    assertRefused(await login(vault, "sys/mfa/validate", { mfa_request_id: pending.request }), absent);
    assertRefused(await ada.answer(pending), absent);
    assertRefused(await ada.answer(pending, ""), absent);
    assertRefused(
      await login(vault, "sys/mfa/validate", {
        mfa_request_id: pending.request,
        mfa_payload: { other: [ada.code()] },
      }),
      absent,
    );
    assert.equal(await statusOf(vault.with(pending.request).read("auth/token/lookup-self")), 403);
    assert.equal(await statusOf(vault.with("").read("auth/token/lookup-self")), 403);
  });

  test("is let in with the right code, with the policies of the person's groups", async () => {
    const fay = await EnrolledPerson.enrol(stack, "fay");
    const outcome = await fay.answer(await fay.start(), fay.code());
    assert.ok(outcome.admitted);
    assert.deepEqual(outcome.auth.policies.toSorted(), ["default", "keyplane.group.soma-operators"]);
    assert.equal(outcome.auth.mfa_requirement, null);
  });

  test("is refused with a wrong code in every form, and the right one still gets in after four", async () => {
    const ben = await EnrolledPerson.enrol(stack, "ben");
    const pending = await ben.start();
    assertRefused(await ben.answer(pending, ben.wrongCode()), wrong);
    assertRefused(await ben.answer(pending, ben.code().slice(1)), wrong);
    assertRefused(await ben.answer(pending, `${ben.code()}0`), wrong);
    assertRefused(await ben.answer(pending, "abcdef"), wrong);
    const outcome = await ben.answer(pending, ben.code());
    assert.equal(outcome.status, 200);
  });

  test("is refused with a code of a minute ago or of a minute from now", async () => {
    const emil = await EnrolledPerson.enrol(stack, "emil");
    const pending = await emil.start();
    await emil.untilPeriodLasts();
    assertRefused(await emil.answer(pending, emil.code(-2)), wrong);
    assertRefused(await emil.answer(pending, emil.code(2)), wrong);
  });

  test("is refused with a code that was used before, and let in with the next", async () => {
    const cleo = await EnrolledPerson.enrol(stack, "cleo");
    const code = cleo.code();
    const next = cleo.code(1);
    const first = await cleo.start();
    assert.equal((await cleo.answer(first, code)).status, 200);
    assertRefused(await cleo.answer(first, next), /invalid request ID/, 400);
    assertRefused(await cleo.answer(await cleo.start(), code), wrong);
    assert.equal((await cleo.answer(await cleo.start(), next)).status, 200);
  });

  test("stays refused after six wrong codes, with the right one too", async () => {
    const hana = await EnrolledPerson.enrol(stack, "hana");
    const pending = await hana.start();
    for (let attempt = 1; attempt <= 5; attempt++) {
      assertRefused(await hana.answer(pending, hana.wrongCode()), wrong);
    }
    const tooMany = /exceeded the allowed attempts 5/;
    assertRefused(await hana.answer(pending, hana.wrongCode()), tooMany);
    assertRefused(await hana.answer(pending, hana.code()), tooMany);
    assertRefused(await hana.answer(await hana.start(), hana.code()), tooMany);
  });

  test("stays refused after five wrong passwords, with the right one too", async () => {
    const emil = await EnrolledPerson.enrol(stack, "emil", { again: true });
    for (let attempt = 1; attempt <= 5; attempt++) {
      const outcome = await login(vault, emil.loginPath, { password: `${emil.password}${attempt}` });
      assertRefused(outcome, /^invalid username or password$/, 400);
    }
    assertRefused(await login(vault, emil.loginPath, { password: emil.password }), /permission denied/);
  });

  test("is refused with another person's code", async () => {
    const gus = await EnrolledPerson.enrol(stack, "gus");
    const ines = await EnrolledPerson.enrol(stack, "ines");
    assertRefused(await gus.answer(await gus.start(), ines.code()), wrong);
    assert.equal((await ines.answer(await ines.start(), ines.code())).status, 200);
  });

  test("is refused in one step with a wrong code in the header, and let in with the right one", async () => {
    const ben = await EnrolledPerson.enrol(stack, "ben", { again: true });
    const { method } = await ben.start();
    const inOneStep = (code: string) =>
      vault.write(
        ben.loginPath,
        { password: ben.password },
        { headers: { "x-vault-mfa": `${method}:${code}` } },
      );
    assert.equal(await statusOf(inOneStep(ben.wrongCode())), 403);
    const { auth } = await inOneStep(ben.code());
    assert.notEqual(auth?.client_token ?? "", "");
  });

  test("says the same of a wrong password and of a person who does not exist", async () => {
    const mount = `auth/${model.vault.auth.human}/login`;
    for (const name of ["hana", "nobody"]) {
      assertRefused(
        await login(vault, `${mount}/${name}`, { password: "wrong" }),
        /^invalid username or password$/,
        400,
      );
    }
  });
});

describe("an enrolment", () => {
  test("is handed over once: who comes second gets nothing", async () => {
    const { vault: enroller, end } = await stack.as("enrol");
    const { token } = await enrol(enroller, model, "hana", { again: true, report: () => {} });
    await end();
    assert.equal((await unwrap(vault, token)).username, "hana");
    await assert.rejects(unwrap(vault, token), { name: "EnrolmentError" });
  });

  test("made again ends the second factor before it", async () => {
    const old = await EnrolledPerson.enrol(stack, "gus", { again: true });
    const renewed = await EnrolledPerson.enrol(stack, "gus", { again: true });
    const pending = await renewed.start();
    assertRefused(await old.answer(pending, old.code()), wrong);
    assert.equal((await renewed.answer(pending, renewed.code())).status, 200);
  });

  test("of nobody in the catalogue opens nothing: a password without a person gets no token", async () => {
    const { vault: enroller, end } = await stack.as("enrol");
    const path = `auth/${model.vault.auth.human}`;
    await enroller.write(`${path}/users/mallory`, { password: "correct horse" });
    await end();
    const outcome = await login(vault, `${path}/login/mallory`, { password: "correct horse" });
    assert.ok(outcome.admitted);
    const requirement = outcome.auth.mfa_requirement;
    assert.equal(outcome.auth.client_token, "");
    assert.ok(requirement !== null);
    const [method] = Object.values(requirement.mfa_constraints).flatMap(({ any }) => any);
    assert.ok(method !== undefined);
    assertRefused(
      await login(vault, "sys/mfa/validate", {
        mfa_request_id: requirement.mfa_request_id,
        mfa_payload: { [method.id]: ["000000"] },
      }),
      /failed to satisfy enforcement people/,
    );
  });
});

describe("a person in a group (R59)", () => {
  test("may do what the group may, and loses it with the catalogue's next up, in the session that runs", async () => {
    const dan = await EnrolledPerson.enrol(stack, "dan");
    const session = await dan.session();
    const secret = model.secrets.find(({ id }) => id === "rec-io/kalshi");
    assert.ok(secret !== undefined);
    const metadata = `${model.vault.mounts.kv}/metadata/${secret.source}`;
    const asked = () => statusOf(session.request("GET", metadata));
    assert.equal(await asked(), 404, "allowed, and nothing there yet");
    const groups = /(dan@acme\.example\n +groups: )\[.*?\]/;
    await using catalogue = await copyCatalogue(groups, "$1[soma-operators]");
    assert.equal((await stack.up({ catalogue: catalogue.folder })).changed, 2, "out of one, into another");
    assert.equal(await asked(), 403);
    const { changed } = await stack.up();
    assert.equal(changed, 2);
    assert.equal(await asked(), 404);
  });

  test("never reads a value that the group may only set", async () => {
    const fay = await EnrolledPerson.enrol(stack, "fay", { again: true });
    const session = await fay.session();
    const secret = model.secrets.find(({ id }) => id === "soma/redis");
    assert.ok(secret !== undefined);
    const path = `${model.vault.mounts.kv}/data/${secret.source}`;
    assert.equal(await statusOf(session.request("GET", path)), 403);
    const { vault: rotator, end } = await stack.as("rotate");
    assert.equal(await statusOf(rotator.request("GET", path)), 200, "the value is there");
    await end();
  });

  test("has a session that ends within a working day, however often it is renewed (R13)", async () => {
    const ines = await EnrolledPerson.enrol(stack, "ines", { again: true });
    const session = await ines.session();
    const { data } = await session.request<{ ttl: number; renewable: boolean }>(
      "GET",
      "auth/token/lookup-self",
    );
    assert.ok(data.ttl > 0 && data.ttl <= 3600, `${data.ttl} s`);
    const { auth } = await session.write("auth/token/renew-self", { increment: "8760h" });
    assert.ok(auth !== undefined && auth.lease_duration <= 8 * 3600, `${auth?.lease_duration} s`);
  });
});

describe("the second factor (R50)", () => {
  test("is enforced on every human mount and on no machine's", async () => {
    const { vault: drift, end } = await stack.as("drift");
    const mounts = await drift.read<Record<string, { type: string; accessor: string }>>("sys/auth");
    const names = await drift.list("identity/mfa/login-enforcement");
    const enforcements = await Promise.all(
      names.map((name) => drift.read<Record<string, string[]>>(`identity/mfa/login-enforcement/${name}`)),
    );
    await end();
    const people = new Set(["userpass", "oidc", "ldap", "okta", "radius", "saml", "cert", "github"]);
    const human = Object.values(mounts ?? {}).filter(({ type }) => people.has(type));
    assert.deepEqual(
      enforcements.flatMap((one) => one?.auth_method_accessors ?? []).toSorted(),
      human.map(({ accessor }) => accessor).toSorted(),
    );
    assert.deepEqual(Object.keys(mounts ?? {}).toSorted(), [
      "approle/",
      "aws/",
      "github/",
      "token/",
      "userpass/",
    ]);
    for (const field of ["auth_method_types", "identity_entity_ids", "identity_group_ids"]) {
      assert.deepEqual(
        enforcements.flatMap((one) => one?.[field] ?? []),
        [],
        field,
      );
    }
  });

  test("is not asked of a CI job", async () => {
    const forge = await TokenForge.ofStack(stack.home);
    for (const job of gitHubJobs(model)) {
      const outcome = await login(vault, `auth/${model.vault.auth.github}/login`, {
        role: job.role,
        jwt: await forge.sign(rightClaims(job)),
      });
      assert.ok(outcome.admitted, job.role);
      assert.equal(outcome.auth.mfa_requirement, null, job.role);
      assert.notEqual(outcome.auth.client_token, "", job.role);
    }
  });

  test("is not asked of a host", async () => {
    for (const { service } of model.appRoles) {
      const host = await asService({ ...stack.first, vault }, service);
      assert.equal(await statusOf(host.read("auth/token/lookup-self")), 200, service);
    }
  });
});
