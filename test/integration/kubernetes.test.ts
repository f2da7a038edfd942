import assert from "node:assert/strict";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeJwt, importPKCS8, SignJWT } from "jose";
import type { Vault } from "../../clients/vault.ts";
import {
  administrator,
  deleteServiceAccount,
  ensureServiceAccount,
  type KubernetesApi,
  kubernetesStatus,
  type LocalKubernetes,
  requestToken,
  type ServiceAccount,
  startKubernetes,
  stopKubernetes,
} from "../../local/kubernetes/index.ts";
import { layout } from "../../local/services/home.ts";
import { ProcessTable, stopProcess } from "../../local/services/process-table.ts";
import type { Model } from "../../model/model.ts";
import type { KubernetesRole } from "../../model/vault.ts";
import { startStack, type TestStack } from "./stack.ts";
import { gitHubJobs, rightClaims } from "./support/github-job.ts";
import { keyplane } from "./support/keyplane.ts";
import { type Login, login, statusOf } from "./support/login.ts";
import { TokenForge } from "./support/token-forge.ts";

const quiet = () => {};
const bot: ServiceAccount = { namespace: "trading-bot", name: "bot" };
const alerter: ServiceAccount = { namespace: "trading-bot", name: "alerter" };

let stack: TestStack;
let kubernetes: LocalKubernetes;
let api: KubernetesApi;
let model: Model;
let vault: Vault;

before(async () => {
  stack = await startStack();
  ({ vault } = stack);
  kubernetes = await startKubernetes(stack.home, { report: quiet });
  api = await administrator(kubernetes);
  ({ model } = await stack.up({ kubernetes }));
  for (const account of [bot, alerter]) await ensureServiceAccount(api, account);
});
after(async () => {
  await api?.close();
  await stack?.[Symbol.asyncDispose]();
});

function roleOf(account: ServiceAccount): KubernetesRole {
  const role = model.kubernetesRoles.find(
    ({ namespace, serviceAccount }) => namespace === account.namespace && serviceAccount === account.name,
  );
  assert.ok(role !== undefined, `the model has a role for ${account.namespace}/${account.name}`);
  return role;
}

async function send(jwt: string, role = roleOf(bot).name): Promise<Login> {
  return login(vault, `auth/${model.vault.auth.kubernetes}/login`, { role, jwt });
}

/** Logs a service account in at a role, its own when absent, with a token for Vault alone. */
async function loginAs(account: ServiceAccount, role = roleOf(account).name): Promise<Login> {
  const { token } = await requestToken(api, account, { audiences: ["vault"] });
  return send(token, role);
}

async function enter(account: ServiceAccount): Promise<Vault> {
  const outcome = await loginAs(account);
  assert.ok(outcome.admitted, `${account.name} is admitted`);
  return vault.with(outcome.auth.client_token);
}

/** Vault gave no token, with exactly this status and these words. */
function assertRefused(outcome: Login, answer: string): void {
  assert.equal(outcome.admitted ? "a token" : `${outcome.status} ${outcome.errors}`, answer);
}

/** What Vault answers to everything that Kubernetes' review does not confirm; it gives no reason away. */
const unconfirmed = "403 permission denied";
const foreignAudience =
  "403 invalid audience (aud) claim: audience claim does not match any expected audience";

/** A token as Kubernetes gives it to the bot, with other claims, signed by the cluster's own key or another. */
async function forge(change: Record<string, unknown>, key?: string): Promise<string> {
  const { token } = await requestToken(api, bot, { audiences: ["vault"] });
  const pem = key ?? (await readFile(layout(stack.home).kubernetes.accountKey, "utf8"));
  return new SignJWT({ ...decodeJwt(token), ...change })
    .setProtectedHeader({ alg: "RS256" })
    .sign(await importPKCS8(pem, "RS256"));
}

function seconds(fromNow: number): number {
  return Math.floor(Date.now() / 1000) + fromNow;
}

describe("A service account logs in to Vault", () => {
  test("with its own role, its own policy and no second factor (R7, R50)", async () => {
    const outcome = await loginAs(bot);
    assert.ok(outcome.admitted);
    const { auth } = outcome;
    assert.equal(auth.mfa_requirement, null);
    assert.deepEqual(auth.policies, ["default", "trading-bot.bot"]);
    assert.equal(auth.token_type, "service");
    assert.equal(auth.lease_duration, 3600);
    assert.equal(auth.renewable, true);
    assert.equal(await statusOf(vault.with(auth.client_token).read("auth/token/lookup-self")), 200);
  });

  test("while a person is asked for the second factor at the same moment (R50)", async () => {
    const enroller = await stack.as("enrol");
    const human = model.vault.auth.human;
    const password = randomUUID();
    await enroller.vault.write(`auth/${human}/users/visitor`, { password });
    const person = await login(vault, `auth/${human}/login/visitor`, { password });
    await enroller.vault.delete(`auth/${human}/users/visitor`);
    await enroller.end();
    assert.ok(person.admitted);
    assert.equal(person.auth.client_token, "");
    assert.notEqual(person.auth.mfa_requirement, null);
    const service = await loginAs(bot);
    assert.ok(service.admitted && service.auth.client_token !== "");
  });

  test("until its token can be renewed no more: a day at most (R13)", async () => {
    const inside = await enter(bot);
    const self = await inside.read<{ explicit_max_ttl: number; period?: number }>("auth/token/lookup-self");
    assert.equal(self?.explicit_max_ttl, 86_400);
    assert.equal(self?.period, undefined);
  });

  test("as another entity after it was deleted and made again under the same name", async () => {
    const passing = await loginAs(alerter);
    await deleteServiceAccount(api, alerter);
    await ensureServiceAccount(api, alerter);
    const again = await loginAs(alerter);
    assert.ok(passing.admitted && again.admitted);
    assert.notEqual(passing.auth.entity_id, again.auth.entity_id);
  });
});

describe("Once in, a service account (R7, R38)", () => {
  for (const account of [bot, alerter]) {
    test(`${account.name} reads each of its own paths and none of anybody else's`, async () => {
      const inside = await enter(account);
      const { service } = roleOf(account);
      const consumers = model.secrets.flatMap((secret) => secret.consumers);
      const own = consumers.filter(({ id }) => id === service).map(({ path }) => path);
      const foreign = [
        ...consumers.filter(({ id }) => id !== service).map(({ path }) => path),
        ...model.secrets.flatMap(({ source, journal }) => [source, journal]),
      ];
      assert.equal(own.length, { bot: 4, alerter: 2 }[account.name]);
      assert.ok(foreign.length > 30);
      // 404: it may read there, and nobody has set that value yet.
      for (const path of own) {
        const status = await statusOf(inside.request("GET", `kv/data/${path}`));
        assert.ok(status === 200 || status === 404, `${path}: ${status}`);
      }
      for (const path of foreign) {
        assert.equal(await statusOf(inside.request("GET", `kv/data/${path}`)), 403, path);
      }
    });
  }

  test("gets the value that was made for it, and cannot change it", async () => {
    const inside = await enter(bot);
    const path = "kv/data/services/trading-bot/bot/alert-token";
    const read = await inside.read<{ data: { token: string } }>(path);
    assert.deepEqual(Object.keys(read?.data ?? {}), ["token"]);
    for (const [method, target] of [
      ["POST", path],
      ["DELETE", path],
      ["GET", "kv/metadata/services/trading-bot/bot/alert-token"],
      ["LIST", "kv/metadata/services/trading-bot/bot"],
    ] as const) {
      const body = method === "POST" ? { body: { data: { token: "x" } } } : {};
      assert.equal(await statusOf(inside.request(method, target, body)), 403, `${method} ${target}`);
    }
  });

  test("gets database credentials of its own role and of no other (R12)", async () => {
    const inside = await enter(bot);
    const roles = model.databases.flatMap(({ users }) => users);
    assert.ok(roles.length > 2);
    for (const { role, service } of roles) {
      const status = await statusOf(inside.request("GET", `database/creds/${role}`));
      assert.equal(status, service === "trading-bot/bot" ? 200 : 403, role);
    }
  });
});

describe("Vault refuses", () => {
  test("another service account of the same namespace (R7)", async () => {
    assertRefused(await loginAs(alerter, roleOf(bot).name), "403 service account name not authorized");
    await ensureServiceAccount(api, { ...bot, name: "bot-2" });
    assertRefused(
      await loginAs({ ...bot, name: "bot-2" }, roleOf(bot).name),
      "403 service account name not authorized",
    );
  });

  test("the same service account name of another namespace (R7)", async () => {
    for (const namespace of ["trading-bot-2", "trading", "default"]) {
      await ensureServiceAccount(api, { ...bot, namespace });
      assertRefused(await loginAs({ ...bot, namespace }, roleOf(bot).name), "403 namespace not authorized");
    }
  });

  test("every service account at every role but its own (R7)", async () => {
    assert.ok(model.kubernetesRoles.length >= 2);
    for (const account of [bot, alerter]) {
      for (const { name, namespace, serviceAccount } of model.kubernetesRoles) {
        const own = namespace === account.namespace && serviceAccount === account.name;
        assert.equal((await loginAs(account, name)).admitted, own, `${account.name} at ${name}`);
      }
    }
  });

  test("a role that does not exist, a wildcard and no role", async () => {
    assertRefused(await loginAs(bot, "trading-bot.nobody"), `400 invalid role name "trading-bot.nobody"`);
    assertRefused(await loginAs(bot, "*"), `400 invalid role name "*"`);
    assertRefused(await loginAs(bot, ""), "400 missing role");
  });

  test("a token for another audience, and one for Kubernetes itself", async () => {
    for (const audiences of [["vault-2"], ["vault.example"], undefined]) {
      const { token } = await requestToken(api, bot, audiences === undefined ? {} : { audiences });
      assertRefused(await send(token), foreignAudience);
    }
  });

  test("the tokens of a service account within seconds of its deletion", async () => {
    const leaver = { namespace: alerter.namespace, name: alerter.name };
    const { token } = await requestToken(api, leaver, { audiences: ["vault"] });
    assert.equal((await send(token, roleOf(alerter).name)).admitted, true);
    await deleteServiceAccount(api, leaver);
    // Kubernetes itself remembers for ten seconds that a token was good.
    let outcome = await send(token, roleOf(alerter).name);
    for (const end = Date.now() + 15_000; outcome.admitted && Date.now() < end; await sleep(500)) {
      outcome = await send(token, roleOf(alerter).name);
    }
    assertRefused(outcome, unconfirmed);
    await ensureServiceAccount(api, leaver);
    assertRefused(await send(token, roleOf(alerter).name), unconfirmed);
  });

  test("an expired token and one that is not valid yet, though the cluster's own key signed them", async () => {
    const still = { iat: seconds(-60), nbf: seconds(-60), exp: seconds(600) };
    assert.equal((await send(await forge(still))).admitted, true);
    const over = { iat: seconds(-1200), nbf: seconds(-1200), exp: seconds(-600) };
    assertRefused(await send(await forge(over)), "403 invalid expiration time (exp) claim: token is expired");
    const soon = { iat: seconds(600), nbf: seconds(600), exp: seconds(1200) };
    assertRefused(await send(await forge(soon)), "403 invalid not before (nbf) claim: token not yet valid");
  });

  test("a token that another key signed, and one that no key signed", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const other = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    assertRefused(await send(await forge({}, other)), unconfirmed);
    const { token } = await requestToken(api, bot, { audiences: ["vault"] });
    const [header, payload] = token.split(".");
    const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    assertRefused(await send(`${none}.${payload}.`), unconfirmed);
    assertRefused(
      await send(`${header}.${payload}.`),
      "403 invalid algorithm (alg) header parameter: token must be signed",
    );
    assertRefused(await send("not a token"), unconfirmed);
    assertRefused(await send(""), "400 missing jwt");
  });

  test("a token with the bot's claims and the signature of another account's", async () => {
    const wanted = (await requestToken(api, bot, { audiences: ["vault"] })).token.split(".");
    const own = (await requestToken(api, alerter, { audiences: ["vault"] })).token.split(".");
    assertRefused(await send([own[0], wanted[1], own[2]].join(".")), unconfirmed);
  });

  test("a GitHub job's right token, at the job's role and at a service account's (R11)", async () => {
    const forge = await TokenForge.ofStack(stack.home);
    for (const job of gitHubJobs(model)) {
      const jwt = await forge.sign(rightClaims(job));
      assert.equal(
        (await login(vault, `auth/${model.vault.auth.github}/login`, { role: job.role, jwt })).status,
        200,
      );
      assertRefused(await send(jwt, job.role), `400 invalid role name "${job.role}"`);
      assertRefused(await send(jwt), foreignAudience);
    }
  });

  test("a Kubernetes token at the login of GitHub's jobs and of people (R11, R50)", async () => {
    const { token } = await requestToken(api, bot, { audiences: ["vault"] });
    const { github, human } = model.vault.auth;
    const job = await login(vault, `auth/${github}/login`, { role: "trading-bot.ci.deploy", jwt: token });
    assert.equal(job.admitted, false);
    const person = await login(vault, `auth/${human}/login/bot`, { password: token });
    assert.equal(person.admitted, false);
  });
});

describe("The connection of Vault and Kubernetes", () => {
  test("gets a new reviewer's token at each start; without one nobody is let in, as a token for Vault alone cannot review itself", async () => {
    const deployer = await stack.as("deploy");
    const path = `auth/${model.vault.auth.kubernetes}/config`;
    // Written whole without the token, as any change of its other fields does.
    await deployer.vault.write(path, await deployer.vault.read(path));
    await deployer.end();
    assertRefused(await loginAs(bot), unconfirmed);
    const again = await stack.up({ kubernetes });
    assert.equal(again.changed, 0);
    assert.equal((await loginAs(bot)).admitted, true);
  });

  test("shows in the status where it runs, and only there", async () => {
    const state = async () =>
      (await kubernetesStatus(stack.home)).map(({ name, state }) => `${name} ${state}`);
    assert.deepEqual(await state(), ["kube-apiserver running", "etcd running"]);
    const { stdout } = await keyplane(stack.home, ["status"]);
    const { host } = kubernetes;
    assert.match(stdout, new RegExp(`^kube-apiserver +running +${host} +pid \\d+$`, "m"));
    const table = await ProcessTable.read(stack.home);
    const running = await table.running("kube-apiserver");
    assert.ok(running !== undefined);
    await stopProcess(running, "SIGKILL");
    assert.deepEqual(await state(), ["kube-apiserver stopped", "etcd running"]);
    assert.equal((await keyplane(stack.home, ["status"])).code, 1);
    await stopKubernetes(stack.home, { report: quiet });
    assert.deepEqual(await state(), []);
    assert.deepEqual(await startKubernetes(stack.home, { report: quiet }), kubernetes);
  });

  test("lets nobody in while Kubernetes is down, and everybody again after it came back", async () => {
    const { token } = await requestToken(api, bot, { audiences: ["vault"] });
    await stopKubernetes(stack.home, { report: quiet });
    assertRefused(await send(token), unconfirmed);
    assert.deepEqual(await startKubernetes(stack.home, { report: quiet }), kubernetes);
    assert.equal((await send(token)).admitted, true);
  });
});
