import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Vault } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import { startStack, type TestStack } from "./stack.ts";
import { type GitHubJob, gitHubJobs, rightClaims } from "./support/github-job.ts";
import { type Login, login } from "./support/login.ts";
import { refusedOrigins } from "./support/refused-origins.ts";
import { refusedTokens } from "./support/refused-tokens.ts";
import { refusedValues } from "./support/refused-values.ts";
import { rightTokens } from "./support/right-tokens.ts";
import { TokenForge } from "./support/token-forge.ts";

let stack: TestStack;
let model: Model;
let vault: Vault;
let forge: TokenForge;

before(async () => {
  stack = await startStack();
  ({ model } = stack.first);
  ({ vault } = stack);
  forge = await TokenForge.ofStack(stack.home);
});
after(() => stack?.[Symbol.asyncDispose]());

function loginAs(job: GitHubJob, jwt: string): Promise<Login> {
  return login(vault, `auth/${model.vault.auth.github}/login`, { role: job.role, jwt });
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

  test("a right token at every other login method", async () => {
    const { approle, human, kubernetes } = model.vault.auth;
    for (const job of sample()) {
      const jwt = await forge.sign(rightClaims(job));
      for (const path of [
        `auth/${approle}/login`,
        `auth/${kubernetes}/login`,
        `auth/${human}/login/${job.role}`,
      ]) {
        const outcome = await login(vault, path, { role: job.role, jwt });
        assert.equal(outcome.admitted, false, path);
      }
    }
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
    const [branch, ...more] = model.github.branches;
    assert.ok(branch !== undefined);
    for (const job of gitHubJobs(model)) {
      for (const one of [branch, ...more]) {
        const outcome = await loginAs(job, await forge.sign(rightClaims(job, { branch: one })));
        assert.equal(outcome.status, 200, `${job.role} on ${one}`);
      }
    }
  });
});
