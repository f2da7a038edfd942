import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Vault } from "../../../clients/vault.ts";
import { ciJob } from "../../../local/tour/ci.ts";
import type { Model } from "../../../model/model.ts";
import type { TestStack } from "../stack.ts";
import { clientFrom } from "../support/address.ts";
import { valuePaths } from "../support/consumer-path.ts";
import { type GitHubJob, gitHubJobs, rightClaims } from "../support/github-job.ts";
import { type Login, login, statusOf } from "../support/login.ts";
import { refusedOrigins } from "../support/refused-origins.ts";
import { refusedTokens } from "../support/refused-tokens.ts";
import { refusedValues } from "../support/refused-values.ts";
import { rightTokens } from "../support/right-tokens.ts";
import { TokenForge } from "../support/token-forge.ts";
import { toured } from "../support/toured.ts";
import { branches, oneStack } from "./stack.ts";

let stack: TestStack;
let model: Model;
let vault: Vault;
let forge: TokenForge;

before(async () => {
  stack = await oneStack();
  ({ model } = stack.first);
  ({ vault } = stack);
  forge = await TokenForge.ofStack(stack.home);
});
after(async () => {
  for (const client of clients.values()) await client.close();
});

/** Each job asks from an address of its own, because logins are limited per address. */
const clients = new Map<string, Vault>();

function loginAs(job: GitHubJob, jwt: string): Promise<Login> {
  const client = clients.get(job.role) ?? clientFrom(stack, `127.0.0.${10 + clients.size}`);
  clients.set(job.role, client);
  return login(client, `auth/${model.vault.auth.github}/login`, { role: job.role, jwt });
}

async function tokenFor(job: GitHubJob): Promise<string> {
  const outcome = await loginAs(job, await forge.sign(rightClaims(job)));
  assert.ok(outcome.admitted, job.role);
  return outcome.auth.client_token;
}

/** A system's job and one of the platform's; all of them where time does not matter. */
function sample(): GitHubJob[] {
  const jobs = gitHubJobs(model);
  if (process.env.KEYPLANE_SCALE === "prove") return jobs;
  const [ci] = jobs;
  const deploy = jobs.find(({ role }) => role === "keyplane.deploy");
  assert.ok(ci !== undefined && deploy !== undefined && ci !== deploy);
  return [ci, deploy];
}

function assertRefused(outcome: Login, because: RegExp): void {
  assert.equal(outcome.admitted, false, "Vault gave a token");
  if (outcome.admitted) return;
  assert.ok([400, 403].includes(outcome.status), `${outcome.status} ${outcome.errors}`);
  assert.match(outcome.errors, because);
}

describe("GitHub OIDC refuses (R11)", () => {
  for (const { name, claims, because } of [...refusedValues, ...refusedOrigins]) {
    test(name, async () => {
      for (const job of sample()) {
        const right = rightClaims(job);
        assertRefused(await loginAs(job, await forge.sign(claims(right, job))), because);
      }
    });
  }
  for (const { name, token, because } of refusedTokens) {
    test(name, async () => {
      for (const job of sample()) {
        assertRefused(await loginAs(job, await token(rightClaims(job), forge, job)), because);
      }
    });
  }

  test("at least 60 variants, none lost with a list", () => {
    // The issue asks for 60; this is how many there are.
    const variants = [...refusedValues, ...refusedOrigins, ...refusedTokens];
    assert.ok(variants.length >= 278, `${variants.length}`);
  });

  test("every other job's right token at each role", async () => {
    const jobs = gitHubJobs(model);
    assert.ok(jobs.length > 5);
    for (const job of jobs) {
      const jwt = await forge.sign(rightClaims(job));
      for (const other of jobs) {
        const outcome = await loginAs(other, jwt);
        if (job === other) assert.equal(outcome.status, 200, `${job.role} at its own role`);
        else assertRefused(outcome, /does not match any associated bound claim values/);
      }
    }
  });

  for (const [name, role] of [
    ["a role that does not exist", "nobody.ci.deploy"],
    ["a role by a wildcard", "*"],
    ["no role", ""],
  ] as const) {
    test(`a right token at ${name}`, async () => {
      for (const job of sample()) {
        const jwt = await forge.sign(rightClaims(job));
        assertRefused(await loginAs({ ...job, role }, jwt), /missing role|could not be found/);
      }
    });
  }

  // Kubernetes' login is in kubernetes.test.ts, where it is mounted.
  test("a right token at the logins of hosts, of people and of AWS' roles", async () => {
    const { approle, aws, human } = model.vault.auth;
    const { vault: drift, end } = await stack.as("drift");
    const mounted = Object.keys((await drift.read("sys/auth")) ?? {});
    await end();
    for (const mount of [approle, human, aws]) assert.ok(mounted.includes(`${mount}/`), mount);
    for (const job of sample()) {
      const jwt = await forge.sign(rightClaims(job));
      for (const [path, because] of [
        [`auth/${approle}/login`, /invalid credentials/],
        [`auth/${human}/login/${job.role}`, /invalid credentials/],
        [`auth/${aws}/login`, /didn't supply required authentication values/],
      ] as const) {
        assertRefused(await login(vault, path, { role: job.role, jwt }), because);
      }
    }
  });
});

test("the tour counts the paths of the policy that Vault has, and a policy that lists the refused path is a broken promise", async () => {
  const [, refused] = await toured(stack.running, ciJob);
  const [, policy, count, foreign] =
    /^403: in Vault its policy (\S+) lists (\d+) path\(s\), and (\S+) is none of them$/.exec(
      refused?.seen ?? "",
    ) ?? [];
  assert.ok(refused?.outcome === "holds" && policy !== undefined && foreign !== undefined, refused?.seen);
  assert.equal(Number(count), model.policies.find(({ name }) => name === policy)?.rules.length);

  const { vault: deployer, end } = await stack.as("deploy");
  const path = `sys/policies/acl/${policy}`;
  const { policy: text } = (await deployer.read<{ policy: string }>(path)) ?? assert.fail();
  for (const [more, seen] of [
    [foreign, `403: in Vault its policy ${policy} lists ${foreign}`],
    [
      `${foreign.slice(0, -1)}*`,
      `403: in Vault its policy ${policy} lists ${foreign.slice(0, -1)}*, which is no exact path`,
    ],
  ]) {
    // Refused all the same: what it lists is what the promise is about.
    await deployer.write(path, { policy: `${text}\npath "${more}" {\n  capabilities = ["deny"]\n}\n` });
    const [, broken] = await toured(stack.running, ciJob);
    assert.deepEqual([broken?.outcome, broken?.seen], ["fails", seen]);
  }
  await deployer.write(path, { policy: text });
  await end();
});

describe("a flood from one address", () => {
  /** What Vault answers until it turns the address away, but at most twice what the quota lets through. */
  async function flood(address: string, rate: number, path: string): Promise<number[]> {
    const flooding = clientFrom(stack, address);
    const statuses: number[] = [];
    while (statuses.length < 2 * rate && !statuses.includes(429)) {
      statuses.push(await statusOf(flooding.write(path, { role: "nobody" })));
    }
    await flooding.close();
    return statuses;
  }

  for (const [name, login, role] of [
    ["github", "login", "role/nobody"],
    ["approle", "login", "role/nobody"],
    ["human", "login/nobody", "users/nobody"],
  ] as const) {
    test(`of logins by ${name} is turned away for a while; its roles can be written all the same`, async () => {
      const mount = `auth/${model.vault.auth[name]}`;
      const { rate } = model.quotas.find((quota) => quota.name === `keyplane.${name}`) ?? assert.fail();
      const statuses = await flood("127.0.0.9", rate, `${mount}/${login}`);
      assert.equal(statuses.at(-1), 429);
      assert.ok(statuses.length >= rate, `turned away after ${statuses.length}`);
      // An update of a large organization writes more roles in a minute than anybody logs in.
      assert.equal((await flood("127.0.0.9", rate, `${mount}/${role}`)).length, 2 * rate);
    });
  }

  test("does not keep others out", async () => {
    const [job] = gitHubJobs(model);
    assert.ok(job !== undefined);
    assert.equal((await loginAs(job, await forge.sign(rightClaims(job)))).status, 200);
  });
});

describe("GitHub OIDC lets in (R11)", () => {
  for (const { name, token } of rightTokens) {
    test(name, async () => {
      for (const job of gitHubJobs(model)) {
        const outcome = await loginAs(job, await token(rightClaims(job), forge, job));
        assert.equal(outcome.status, 200, `${job.role}: ${outcome.admitted ? "" : outcome.errors}`);
        if (outcome.admitted) assert.notEqual(outcome.auth.client_token, "");
      }
    });
  }

  test("a push to each declared branch", async () => {
    assert.deepEqual(model.github.branches, branches);
    for (const job of gitHubJobs(model)) {
      for (const branch of branches) {
        const outcome = await loginAs(job, await forge.sign(rightClaims(job, { branch })));
        assert.equal(outcome.status, 200, `${job.role} on ${branch}`);
      }
    }
  });
});

describe("a job that got in", () => {
  const ciJobs = () => gitHubJobs(model).filter(({ role }) => !role.startsWith("keyplane."));
  const idOf = ({ role }: GitHubJob) => role.replace(/^(.*)\.ci\.(.*)$/, "$1/ci/$2");

  test("reads what the catalogue says that it reads, and no other value (R7, R11)", async () => {
    let seen = 0;
    for (const job of ciJobs()) {
      const session = vault.with(await tokenFor(job));
      const declared = new Set(model.ciJobs.find(({ id }) => id === idOf(job))?.reads);
      const own = valuePaths(model).filter(({ reader }) => reader === idOf(job));
      assert.equal(own.length, declared.size, `${job.role} has a path for each secret that it reads`);
      for (const { path, reader } of valuePaths(model)) {
        const status = await statusOf(session.request("GET", path));
        if (reader !== idOf(job)) assert.equal(status, 403, `${job.role} at ${path}`);
        else assert.ok([200, 404].includes(status), `${job.role} at its own ${path}: ${status}`);
        if (status === 200) seen++;
      }
    }
    assert.ok(seen >= 2, `${seen} values read`);
  });

  test("changes nothing of it, and can neither list nor make itself more than it is", async () => {
    const { kv } = model.vault.mounts;
    for (const job of ciJobs()) {
      const session = vault.with(await tokenFor(job));
      for (const { path, reader } of valuePaths(model)) {
        if (reader !== idOf(job)) continue;
        const metadata = path.replace(`${kv}/data/`, `${kv}/metadata/`);
        assert.equal(await statusOf(session.write(path, { data: { x: "y" } })), 403, `writes ${path}`);
        assert.equal(await statusOf(session.delete(path)), 403, `deletes ${path}`);
        assert.equal(await statusOf(session.request("GET", metadata)), 403, metadata);
        assert.equal(await statusOf(session.delete(metadata)), 403, metadata);
        const destroy = path.replace("/data/", "/destroy/");
        assert.equal(await statusOf(session.write(destroy, { versions: [1] })), 403, destroy);
      }
      const refused: [string, string, unknown][] = [
        ["GET", `${kv}/metadata/ci?list=true`, undefined],
        ["POST", "auth/token/create", {}],
        ["POST", "auth/token/create-orphan", {}],
        ["GET", "auth/token/lookup-self", undefined],
        ["GET", `auth/github/role/${job.role}`, undefined],
        ["POST", `auth/github/role/${job.role}`, { token_policies: ["keyplane.deploy"] }],
        ["GET", "sys/policies/acl/keyplane.deploy", undefined],
        ["GET", "sys/auth", undefined],
      ];
      for (const [method, path, body] of refused) {
        const status = await statusOf(session.request(method, path, body === undefined ? {} : { body }));
        assert.equal(status, 403, `${job.role}: ${method} ${path}`);
      }
    }
  });

  test("of the platform sees no value unless it rotates", async () => {
    for (const job of gitHubJobs(model).filter(({ role }) => /^keyplane\.(deploy|drift|enrol)$/.test(role))) {
      const session = vault.with(await tokenFor(job));
      for (const { path } of valuePaths(model)) {
        assert.equal(await statusOf(session.request("GET", path)), 403, `${job.role} at ${path}`);
      }
      for (const { role } of model.databases.flatMap(({ users }) => users)) {
        assert.equal(
          await statusOf(session.request("GET", `${model.vault.mounts.database}/creds/${role}`)),
          403,
        );
      }
    }
  });

  test("of a system holds a batch token of minutes that nobody renews (R13)", async () => {
    for (const job of ciJobs()) {
      const outcome = await loginAs(job, await forge.sign(rightClaims(job)));
      assert.ok(outcome.admitted);
      const { auth } = outcome;
      assert.equal(auth.token_type, "batch");
      assert.equal(auth.renewable, false);
      assert.ok(
        auth.lease_duration > 0 && auth.lease_duration <= 600,
        `${job.role}: ${auth.lease_duration} s`,
      );
      assert.deepEqual(auth.policies, [job.role]);
      assert.equal(await statusOf(vault.with(auth.client_token).write("auth/token/renew-self")), 403);
      const { vault: drift, end } = await stack.as("drift");
      const renewal = drift.write("auth/token/renew", { token: auth.client_token, increment: 3600 });
      assert.equal(await statusOf(renewal), 403);
      await end();
    }
  });

  test("of a system is out when its token's time is over", async () => {
    const job = ciJobs().find(({ role }) => role === "soma.ci.deploy");
    assert.ok(job !== undefined);
    const own = valuePaths(model).find(({ reader }) => reader === idOf(job))?.path;
    assert.ok(own !== undefined);
    const { vault: deployer, end } = await stack.as("deploy");
    const role = await deployer.read(`auth/github/role/${job.role}`);
    // The same role in everything but its time, so that nobody waits ten minutes.
    const brief = { ...role, token_ttl: 2, token_max_ttl: 2, token_explicit_max_ttl: 0 };
    await deployer.write("auth/github/role/brief", brief);
    const outcome = await loginAs({ ...job, role: "brief" }, await forge.sign(rightClaims(job)));
    assert.ok(outcome.admitted);
    const session = vault.with(outcome.auth.client_token);
    assert.equal(await statusOf(session.request("GET", own)), 200);
    await wait(2500);
    assert.equal(await statusOf(session.request("GET", own)), 403);
    await deployer.delete("auth/github/role/brief");
    await end();
  });

  test("of the platform holds a token that ends within four hours, however often it is renewed (R13)", async () => {
    for (const job of gitHubJobs(model).filter(({ role }) => role.startsWith("keyplane."))) {
      const outcome = await loginAs(job, await forge.sign(rightClaims(job)));
      assert.ok(outcome.admitted);
      assert.ok(outcome.auth.lease_duration <= 3600, `${job.role}: ${outcome.auth.lease_duration} s`);
      const session = vault.with(outcome.auth.client_token);
      const { data } = await session.request<{ explicit_max_ttl: number }>("GET", "auth/token/lookup-self");
      assert.equal(data.explicit_max_ttl, 14_400, job.role);
      const { auth } = await session.write("auth/token/renew-self", { increment: "8760h" });
      assert.ok(
        auth !== undefined && auth.lease_duration <= 14_400,
        `${job.role}: ${auth?.lease_duration} s`,
      );
      await session.write("auth/token/revoke-self");
      assert.equal(await statusOf(session.read("auth/token/lookup-self")), 403, "a run ends its own token");
    }
  });

  test("did so by one of the roles that the model has, each bound in time (R13)", async () => {
    const { vault: drift, end } = await stack.as("drift");
    for (const [mount, declared] of [
      [model.vault.auth.github, model.jwtRoles],
      [model.vault.auth.approle, model.appRoles],
    ] as const) {
      const names = await drift.list(`auth/${mount}/role`);
      assert.deepEqual(names.toSorted(), declared.map(({ name }) => name).toSorted());
      for (const name of names) {
        const role = await drift.read<Record<string, number>>(`auth/${mount}/role/${name}`);
        assert.equal(role?.token_period, 0, `${name} is not periodic`);
        assert.ok(Number(role?.token_max_ttl) > 0 && Number(role?.token_max_ttl) <= 86_400, name);
        assert.equal(role?.token_explicit_max_ttl, role?.token_max_ttl, name);
      }
    }
    await end();
  });
});
