import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Vault, VaultResponse } from "../../../clients/vault.ts";
import type { Model } from "../../../model/model.ts";
import type { AppRole } from "../../../model/vault.ts";
import type { TestStack } from "../stack.ts";
import { clientFrom } from "../support/address.ts";
import { valuePaths } from "../support/consumer-path.ts";
import { asRoot } from "../support/credentials.ts";
import { type Login, login, statusOf, tokenOf } from "../support/login.ts";
import { EnrolledPerson } from "../support/person.ts";
import { oneStack } from "./stack.ts";

interface SecretId {
  secret_id: string;
  secret_id_accessor: string;
  secret_id_num_uses: number;
  secret_id_ttl: number;
}

let stack: TestStack;
let model: Model;
let vault: Vault;
let enroller: Vault;
/** Ends a second after it was made. */
let short: Promise<SecretId>;

before(async () => {
  stack = await oneStack();
  ({ model } = stack.first);
  ({ vault } = stack);
  ({ vault: enroller } = await stack.as("enrol"));
  short = secretId(roleAt(), { ttl: "1s" });
});

function roleAt(index = 0): AppRole {
  const role = model.appRoles[index];
  assert.ok(role !== undefined);
  return role;
}

const rolePath = ({ name }: AppRole) => `auth/${model.vault.auth.approle}/role/${name}`;
const loginPath = () => `auth/${model.vault.auth.approle}/login`;

async function roleId(role: AppRole): Promise<string> {
  const id = (await enroller.read<{ role_id: string }>(`${rolePath(role)}/role-id`))?.role_id;
  assert.ok(id !== undefined);
  return id;
}

/** A secret id as it is handed over: its wrapping token. */
async function wrapped(role: AppRole, body: unknown = {}, by: Vault = enroller): Promise<string> {
  const { wrap_info } = await by.write(`${rolePath(role)}/secret-id`, body, { wrapTtl: "5m" });
  assert.ok(wrap_info !== undefined);
  return wrap_info.token;
}

function unwrap(token: string): Promise<VaultResponse<SecretId>> {
  return vault.with(token).write<SecretId>("sys/wrapping/unwrap");
}

async function secretId(role: AppRole, body?: unknown): Promise<SecretId> {
  return (await unwrap(await wrapped(role, body))).data;
}

async function enter(role: AppRole, secret_id: string, from: Vault = vault): Promise<Login> {
  return login(from, loginPath(), { role_id: await roleId(role), secret_id });
}

function assertRefused(outcome: Login, because: RegExp): void {
  assert.equal(outcome.admitted, false, "Vault gave a token");
  if (outcome.admitted) return;
  // Vault answers 500 where it cannot tell whose login it would have been.
  assert.ok([400, 403, 500].includes(outcome.status), `${outcome.status} ${outcome.errors}`);
  assert.match(outcome.errors, because);
}

/** An address of this machine that no role binds. */
async function fromElsewhere<T>(work: (elsewhere: Vault) => Promise<T>): Promise<T> {
  const elsewhere = clientFrom(stack, "127.0.0.2");
  try {
    return await work(elsewhere);
  } finally {
    await elsewhere.close();
  }
}

describe("a host's login", () => {
  test("takes both halves: a role id alone, another role's secret id and made-up ones are refused", async () => {
    const [role, other] = [roleAt(0), roleAt(1)];
    const { secret_id } = await secretId(role);
    assertRefused(await login(vault, loginPath(), { role_id: await roleId(role) }), /missing secret_id/);
    assertRefused(await enter(role, ""), /missing secret_id/);
    assertRefused(await enter(role, "00000000-0000-0000-0000-000000000000"), /invalid role or secret ID/);
    assertRefused(await enter(role, `${secret_id}0`), /invalid role or secret ID/);
    assertRefused(await enter(other, secret_id), /invalid role or secret ID/);
    assertRefused(await login(vault, loginPath(), { secret_id }), /invalid credentials/);
    assertRefused(
      await login(vault, loginPath(), { role_id: role.name, secret_id }),
      /invalid role or secret ID/,
    );
    assert.equal((await enter(role, secret_id)).status, 200);
  });

  test("is not locked by wrong guesses: after ten of them the right secret id is let in", async () => {
    const role = roleAt();
    const { secret_id } = await secretId(role);
    for (let guess = 0; guess < 10; guess++) {
      const made = `00000000-0000-0000-0000-00000000000${guess}`;
      assertRefused(await enter(role, made), /invalid role or secret ID/);
    }
    assert.equal((await enter(role, secret_id)).status, 200);
  });

  test("is refused from an address that the role does not bind", async () => {
    for (const role of model.appRoles) {
      const { secret_id } = await secretId(role);
      assert.deepEqual(role.cidrs, ["127.0.0.1/32"]);
      const outcome = await fromElsewhere((elsewhere) => enter(role, secret_id, elsewhere));
      assertRefused(outcome, /source address .* unauthorized|CIDR|not in|unauthorized/i);
      assert.equal((await enter(role, secret_id)).status, 200, role.name);
    }
  });

  test("gives a token that another address cannot use", async () => {
    const role = roleAt();
    const token = await tokenOf(vault, loginPath(), {
      role_id: await roleId(role),
      secret_id: (await secretId(role)).secret_id,
    });
    assert.equal(await statusOf(vault.with(token).read("auth/token/lookup-self")), 200);
    const status = await fromElsewhere((elsewhere) =>
      statusOf(elsewhere.with(token).read("auth/token/lookup-self")),
    );
    assert.equal(status, 403);
  });

  test("gives every role a token that is bounded, however often it is renewed (R13)", async () => {
    for (const role of model.appRoles) {
      const outcome = await enter(role, (await secretId(role)).secret_id);
      assert.ok(outcome.admitted);
      const { auth } = outcome;
      assert.equal(auth.token_type, "service");
      assert.deepEqual(auth.policies.toSorted(), ["default", ...role.policies].toSorted());
      assert.equal(auth.lease_duration, role.ttl);
      const host = vault.with(auth.client_token);
      const { data } = await host.request<{ explicit_max_ttl: number; period?: number }>(
        "GET",
        "auth/token/lookup-self",
      );
      assert.equal(data.explicit_max_ttl, role.maxTtl);
      assert.ok(role.maxTtl <= 86_400);
      assert.equal(data.period, undefined);
      const renewed = await host.write("auth/token/renew-self", { increment: "8760h" });
      const left = renewed.auth?.lease_duration ?? Number.NaN;
      assert.ok(left <= role.maxTtl, `${left} s`);
      await host.write("auth/token/revoke-self");
      assert.equal(await statusOf(host.read("auth/token/lookup-self")), 403);
    }
  });
});

describe("a secret id", () => {
  test("is only handed out wrapped, for at least a minute and at most an hour", async () => {
    for (const role of model.appRoles) {
      const path = `${rolePath(role)}/secret-id`;
      assert.equal(await statusOf(enroller.write(path)), 403, role.name);
      assert.equal(await statusOf(enroller.write(path, {}, { wrapTtl: "30s" })), 403, role.name);
      assert.equal(await statusOf(enroller.write(path, {}, { wrapTtl: "61m" })), 403, role.name);
      assert.equal(await statusOf(enroller.write(path, {}, { wrapTtl: "60m" })), 200, role.name);
    }
  });

  test("is unwrapped once: who comes second is told so", async () => {
    const token = await wrapped(roleAt());
    const { data } = await unwrap(token);
    assert.match(data.secret_id, /^[0-9a-f-]{36}$/);
    assert.equal(await statusOf(unwrap(token)), 400);
  });

  test("lives and serves as long and as often as the model says", async () => {
    for (const role of model.appRoles) {
      const { secret_id_ttl, secret_id_num_uses } = await secretId(role);
      assert.equal(secret_id_ttl, role.secretIdTtl, role.name);
      assert.equal(secret_id_num_uses, role.secretIdUses, role.name);
      assert.ok(secret_id_ttl > 0 && secret_id_num_uses > 0, "0 would be without end");
    }
  });

  test("cannot be asked for with more than the role gives", async () => {
    const path = `${rolePath(roleAt())}/secret-id`;
    const wishes = [
      { ttl: "30d" },
      { ttl: 0 },
      { num_uses: 1000 },
      { num_uses: 0 },
      { cidr_list: ["10.0.0.0/8"] },
      { cidr_list: ["127.0.0.0/8"] },
      { token_bound_cidrs: ["10.0.0.0/8"] },
    ];
    for (const wish of wishes) {
      const status = await statusOf(enroller.write(path, wish, { wrapTtl: "5m" }));
      // Vault answers 500 to ranges outside the role's.
      assert.ok([400, 500].includes(status), `${JSON.stringify(wish)}: ${status}`);
    }
    const custom = `${rolePath(roleAt())}/custom-secret-id`;
    assert.equal(await statusOf(enroller.write(custom, { secret_id: "chosen" }, { wrapTtl: "5m" })), 403);
  });

  test("is used up after its last use", async () => {
    const role = roleAt();
    const { secret_id } = await secretId(role);
    for (let use = 1; use <= role.secretIdUses; use++) {
      assert.equal((await enter(role, secret_id)).status, 200, `use ${use}`);
    }
    assertRefused(await enter(role, secret_id), /invalid role or secret ID/);
  });

  test("ends with its time, at the next of Vault's rounds, which come every minute", async () => {
    const { secret_id, secret_id_ttl } = await short;
    assert.equal(secret_id_ttl, 1);
    // The same round, asked for: a minute's sleep would prove Vault's clock.
    const { root, end } = await asRoot(stack.running);
    let outcome = await enter(roleAt(), secret_id);
    for (const end = Date.now() + 130_000; outcome.admitted && Date.now() < end; ) {
      await root.write(`auth/${model.vault.auth.approle}/tidy/secret-id`);
      await wait(200);
      outcome = await enter(roleAt(), secret_id);
    }
    await end();
    assertRefused(outcome, /invalid role or secret ID/);
  });

  test("is handed out by the person whom the model names, and by no operator of another system", async () => {
    const people = new Set(model.appRoles.map(({ deliveredBy }) => deliveredBy));
    for (const name of people) {
      const person = await (await EnrolledPerson.enrol(stack, name)).session();
      for (const role of model.appRoles.filter(({ deliveredBy }) => deliveredBy === name)) {
        assert.equal(
          await statusOf(person.write(`${rolePath(role)}/secret-id`, {}, { wrapTtl: "5m" })),
          200,
          `${name} for ${role.name}`,
        );
        assert.equal(await statusOf(person.write(`${rolePath(role)}/secret-id`)), 403, `${name} unwrapped`);
      }
    }
    const cleo = await (await EnrolledPerson.enrol(stack, "cleo", { again: true })).session();
    for (const role of model.appRoles.filter(({ service }) => !service.startsWith("rec-io/"))) {
      const path = `${rolePath(role)}/secret-id`;
      assert.equal(await statusOf(cleo.write(path, {}, { wrapTtl: "5m" })), 403, `cleo for ${role.name}`);
    }
  });
});

describe("a service reads its own and nothing else (R7)", () => {
  test("of values: each service at every path of the catalogue", async () => {
    const paths = valuePaths(model);
    let seen = 0;
    for (const role of model.appRoles) {
      const host = await session(role);
      for (const { path, reader } of paths) {
        const status = await statusOf(host.request("GET", path));
        if (reader === role.service) {
          assert.ok([200, 404].includes(status), `${role.service} at its own ${path}: ${status}`);
          if (status === 200) seen++;
        } else {
          assert.equal(status, 403, `${role.service} at ${path}`);
        }
      }
    }
    assert.ok(seen > 10, `${seen} values read`);
  });

  test("and neither writes nor deletes nor lists what it reads", async () => {
    const { kv } = model.vault.mounts;
    for (const role of model.appRoles) {
      const host = await session(role);
      for (const { path, reader } of valuePaths(model)) {
        if (reader !== role.service) continue;
        const metadata = path.replace(`${kv}/data/`, `${kv}/metadata/`);
        assert.equal(await statusOf(host.write(path, { data: { x: "y" } })), 403, path);
        assert.equal(await statusOf(host.delete(path)), 403, path);
        assert.equal(await statusOf(host.delete(metadata)), 403, metadata);
        assert.equal(await statusOf(host.request("GET", metadata)), 403, metadata);
      }
      for (const folder of ["", "services", "services/titan", `services/${role.service}`, "source", "ci"]) {
        const status = await statusOf(
          host.request("GET", `${kv}/metadata/${folder}`, { query: { list: true } }),
        );
        assert.equal(status, 403, `${role.service} lists ${folder}`);
      }
    }
  });

  test("of database credentials and encryption keys", async () => {
    const { database, transit } = model.vault.mounts;
    for (const role of model.appRoles) {
      const host = await session(role);
      for (const { role: user, service } of model.databases.flatMap(({ users }) => users)) {
        const status = await statusOf(host.request("GET", `${database}/creds/${user}`));
        assert.equal(status, service === role.service ? 200 : 403, `${role.service} asks for ${user}`);
      }
      for (const { key, consumers } of model.encryptionKeys) {
        const may = new Set(consumers.filter(({ id }) => id === role.service).flatMap(({ may }) => may));
        for (const operation of ["encrypt", "decrypt", "rewrap"] as const) {
          const status = await statusOf(
            host.write(`${transit}/${operation}/${key}`, { plaintext: "", ciphertext: "" }),
          );
          const allowed = status !== 403;
          assert.equal(allowed, may.has(operation), `${role.service} ${operation} ${key}: ${status}`);
        }
        assert.equal(await statusOf(host.request("GET", `${transit}/keys/${key}`)), 403);
        assert.equal(await statusOf(host.request("GET", `${transit}/export/encryption-key/${key}`)), 403);
      }
    }
  });

  test("and cannot make itself more than it is", async () => {
    for (const role of model.appRoles) {
      const host = await session(role);
      const refused: [string, string, unknown][] = [
        ["POST", "auth/token/create", { policies: ["root"] }],
        ["POST", "auth/token/create-orphan", {}],
        ["POST", `sys/policies/acl/${role.policies[0]}`, { policy: "" }],
        ["GET", `sys/policies/acl/${role.policies[0]}`, undefined],
        ["POST", rolePath(role), { token_policies: ["keyplane.deploy"] }],
        ["POST", `${rolePath(role)}/secret-id`, {}],
        ["GET", `${rolePath(role)}/role-id`, undefined],
        ["POST", "identity/entity", { name: "x", policies: ["keyplane.deploy"] }],
        ["GET", "sys/auth", undefined],
        ["GET", "sys/audit", undefined],
        ["POST", "sys/seal", undefined],
        ["POST", "sys/rotate", undefined],
      ];
      for (const [method, path, body] of refused) {
        const status = await statusOf(host.request(method, path, body === undefined ? {} : { body }));
        assert.equal(status, 403, `${role.service}: ${method} ${path}`);
      }
    }
  });
});

async function session(role: AppRole): Promise<Vault> {
  const { secret_id } = await secretId(role);
  return vault.with(await tokenOf(vault, loginPath(), { role_id: await roleId(role), secret_id }));
}
