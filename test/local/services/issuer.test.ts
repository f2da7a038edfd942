import assert from "node:assert/strict";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { inspect } from "node:util";
import { decodeProtectedHeader, importJWK, jwtVerify } from "jose";
import { layout, prepareHome } from "../../../local/services/home.ts";
import { type GitHubJob, gitHubClaims } from "../../../local/services/issuer/claims.ts";
import { ensureIssuerKey, signGitHubToken } from "../../../local/services/issuer/token.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const job: GitHubJob = {
  issuer: "https://127.0.0.1:24000",
  audience: "https://github.com/acme",
  repository: "acme/titan",
  repositoryId: 821093847,
  ownerId: 5544123,
  ref: "refs/heads/main",
  environment: "production",
  workflow: "deploy.yml",
};

async function home(t: TestContext): Promise<string> {
  const root = await prepareHome(join(await temporaryFolder(t), "home"));
  await mkdir(layout(root).issuer.folder);
  return root;
}

test("a job's token carries GitHub's claims, ids as strings (R11)", () => {
  const { jti, run_id, sha, workflow_sha, job_workflow_sha, ...claims } = gitHubClaims({
    ...job,
    issuedAt: 1_784_000_000,
  });
  assert.deepEqual(claims, {
    iss: "https://127.0.0.1:24000",
    aud: "https://github.com/acme",
    sub: "repo:acme/titan:environment:production",
    iat: 1_784_000_000,
    nbf: 1_784_000_000,
    exp: 1_784_000_300,
    repository: "acme/titan",
    repository_id: "821093847",
    repository_owner: "acme",
    repository_owner_id: "5544123",
    repository_visibility: "private",
    environment: "production",
    ref: "refs/heads/main",
    ref_type: "branch",
    ref_protected: "true",
    head_ref: "",
    base_ref: "",
    event_name: "push",
    workflow: "deploy",
    workflow_ref: "acme/titan/.github/workflows/deploy.yml@refs/heads/main",
    job_workflow_ref: "acme/titan/.github/workflows/deploy.yml@refs/heads/main",
    run_number: "1",
    run_attempt: "1",
    runner_environment: "github-hosted",
    actor: "ada",
    actor_id: "1001",
  });
  assert.match(jti, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  assert.match(run_id, /^[0-9]{10}$/);
  for (const commit of [sha, workflow_sha, job_workflow_sha]) assert.match(commit, /^[0-9a-f]{40}$/);
});

const { environment: _, ...withoutEnvironment } = job;
for (const [what, given, subject] of [
  [
    "an immutable subject with an environment",
    { ...job, immutableSubject: true },
    "repo:acme@5544123/titan@821093847:environment:production",
  ],
  ["a branch", withoutEnvironment, "repo:acme/titan:ref:refs/heads/main"],
  [
    "an immutable subject with a branch",
    { ...withoutEnvironment, immutableSubject: true },
    "repo:acme@5544123/titan@821093847:ref:refs/heads/main",
  ],
  ["a tag", { ...withoutEnvironment, ref: "refs/tags/v1" }, "repo:acme/titan:ref:refs/tags/v1"],
  ["a pull request", { ...withoutEnvironment, ref: "refs/pull/7/merge" }, "repo:acme/titan:pull_request"],
] as const) {
  test(`the subject of ${what} is ${subject} (R11)`, () => {
    assert.equal(gitHubClaims(given).sub, subject);
  });
}

test("a pull request's token says so, and is not of a protected ref (R11)", () => {
  const claims = gitHubClaims({ ...withoutEnvironment, ref: "refs/pull/7/merge" });
  assert.deepEqual(
    [claims.event_name, claims.head_ref, claims.base_ref, claims.ref_protected, claims.environment],
    ["pull_request", "change", "main", "false", undefined],
  );
});

test("a tag's token says that its ref is a tag (R11)", () => {
  assert.equal(gitHubClaims({ ...job, ref: "refs/tags/v1" }).ref_type, "tag");
});

test("two tokens of one job never share an id", () => {
  assert.notEqual(gitHubClaims(job).jti, gitHubClaims(job).jti);
});

test("tokens are signed with RS256 by the key that the issuer publishes", async (t) => {
  const root = await home(t);
  const jwk = await ensureIssuerKey(root);
  const claims = gitHubClaims(job);
  const token = await signGitHubToken(root, claims);
  assert.deepEqual(decodeProtectedHeader(token), { alg: "RS256", typ: "JWT", kid: jwk.kid });
  const { payload } = await jwtVerify(token, await importJWK(jwk), {
    issuer: job.issuer,
    audience: job.audience,
  });
  assert.deepEqual(payload, JSON.parse(JSON.stringify(claims)));
});

test("what is published holds no private part of the key", async (t) => {
  assert.deepEqual(Object.keys(await ensureIssuerKey(await home(t))).sort(), [
    "alg",
    "e",
    "kid",
    "kty",
    "n",
    "use",
  ]);
});

test("the key is for its owner only and stays the same (R45)", async (t) => {
  const root = await home(t);
  const first = await ensureIssuerKey(root);
  assert.equal((await stat(layout(root).issuer.key)).mode & 0o777, 0o600);
  assert.deepEqual(await ensureIssuerKey(root), first);
});

test("a missing or damaged key is named with the way out, and its content is not repeated", async (t) => {
  const root = await home(t);
  const { key } = layout(root).issuer;
  await assert.rejects(signGitHubToken(root, {}), /key\.json is missing\. Run `keyplane up`/);
  await ensureIssuerKey(root);
  const whole = await readFile(key, "utf8");
  await writeFile(key, whole.replace('"n":"', '"n":!"'));
  await assert.rejects(signGitHubToken(root, {}), (error: Error) => {
    assert.match(error.message, /is not a key\. Remove it/);
    assert.ok(!inspect(error).includes(whole.slice(whole.indexOf('"n":"') + 5).slice(0, 6)));
    return true;
  });
});
