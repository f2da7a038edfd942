import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Vault } from "../../clients/vault.ts";
import { makeHandler } from "../../lambdas/rotate-due/handler.ts";
import type { Result } from "../../lambdas/rotate-due/result.ts";
import { shipped } from "../../model/shipping.ts";
import { loginByAws } from "../../operations/aws-login.ts";
import { endedWithFile } from "../integration/support/ended-with-file.ts";
import { elsewhere, here, type ScheduledRunner, startScheduledRunner } from "./scheduled-runner.ts";

let stack: ScheduledRunner;
const shared = endedWithFile();
const values = new Set<string>();

before(async () => {
  stack = await startScheduledRunner(shared);
});

async function run(): Promise<{ result: Result; log: string }> {
  const { failed, answer, log } = await stack.aws.invoke(stack.runner.name, {});
  assert.equal(failed, false, JSON.stringify(answer));
  return { result: answer as Result, log };
}

/** What a login's signature is for. */
function serverId(): string {
  const { aws } = stack.server.model;
  assert.ok(aws);
  return aws.vault.serverId;
}

async function source(id: string) {
  const found = await stack.source(id);
  assert.ok(found, id);
  for (const field of ["password", "url"]) values.add(found.fields[field] ?? found.fields.password ?? "");
  return found;
}

test("logs in with its role's identity alone, makes what has no value, and names what it cannot deliver (R14)", async () => {
  const { result } = await run();
  assert.deepEqual(result.rotated.toSorted(), [...here].sort());
  assert.deepEqual([result.failed, result.underWay, result.environment], [[], [], "local"]);
  assert.deepEqual(result.left.map(({ secret }) => secret).sort(), [...elsewhere].sort());
  const why = new Map(result.left.map((one) => [one.secret, one.why]));
  assert.match(why.get("solo/minio") ?? "", /^solo\/minio, env-file .*not the service's host/);
  assert.match(why.get("titan/nats") ?? "", /a file on the server's host: `keyplane rotate --due --root \/`/);
  assert.equal(await stack.source("titan/nats"), undefined);
  for (const id of here) assert.equal((await source(id)).version, 1);
  // What it has of its own is where to go and as whom.
  const { env } = stack.runner;
  assert.deepEqual(Object.keys(env).sort(), ["AWS_ENDPOINT_URL", "KEYPLANE_ENVIRONMENT", "KEYPLANE_VAULT"]);
  assert.deepEqual(Object.keys(JSON.parse(env.KEYPLANE_VAULT ?? "") as object).sort(), [
    "address",
    "ca",
    "mount",
    "role",
    "serverId",
  ]);
});

test("rotates what is due to its end: the old database login is refused, the new one is let in (R31, R47)", async () => {
  const before = await Promise.all(here.map(source));
  await sleep(2_500);
  const { result } = await run();
  assert.deepEqual(result.rotated.toSorted(), [...here].sort());
  const after = await Promise.all(here.map(source));
  for (const [index, { version, fields }] of after.entries()) {
    assert.equal(version, 2);
    assert.notDeepEqual(fields, before[index]?.fields);
  }
  const user = stack.server.secret("solo/main-solo-app");
  const refusals = [before[1], after[1]].map((one) => stack.server.refusal(user, one?.fields ?? {}));
  assert.deepEqual(await Promise.all(refusals), ["28P01", undefined]);
  assert.deepEqual(await stack.server.engineLogins(), []);
});

test("is refused anything else: other roles of Vault, to other IAM roles, and what its policy does not say", async () => {
  const { aws, server, runner } = stack;
  const { role } = runner;
  const { address, ca } = server.services.vault;
  const vault = new Vault({ address, ca });
  const declared = server.model.aws?.roles.find(({ name }) => name === runner.name);
  assert.ok(declared);
  const other = await aws.role({ ...declared, name: "other" });
  await aws.vaultRole("keyplane.other", other, []);
  const as = async (arn: string, vaultRole: string, server_ = serverId()) =>
    loginByAws({
      vault,
      mount: "aws",
      role: vaultRole,
      serverId: server_,
      aws: { region: aws.region, credentials: await aws.session(arn) },
    });
  const own = await as(role, "keyplane.rotate");
  for (const [arn, name, id] of [
    [role, "keyplane.other", serverId()],
    [other, "keyplane.rotate", serverId()],
    [role, "keyplane.deploy", serverId()],
    [role, "keyplane.rotate", "vault.other.example"],
  ] as const) {
    await assert.rejects(as(arn, name, id), { name: "VaultError", status: 400 }, `${arn} as ${name}`);
  }
  for (const path of [
    "sys/policies/acl/keyplane.rotate",
    "auth/aws/config/client",
    "kv/data/evidence/titan/hmac",
  ]) {
    await assert.rejects(own.vault.request("GET", path), { name: "VaultError", status: 403 }, path);
  }
  const { token } = own.vault;
  await own.end();
  await assert.rejects(vault.with(token).read("auth/token/lookup-self"), { status: 403 });
  await vault.close();
});

test("stops by itself before its time is over, fails nobody by that, and the next run goes on", async () => {
  await sleep(2_500);
  const { address, ca } = stack.server.services.vault;
  const credentials = await stack.aws.session(stack.runner.role);
  const handler = makeHandler(() => ({
    model: stack.model,
    vault: new Vault({ address, ca }),
    login: {
      mount: "aws",
      role: "keyplane.rotate",
      serverId: serverId(),
      aws: { region: stack.aws.region, credentials },
    },
  }));
  const lambda = (remaining: number) => ({
    awsRequestId: "of-a-test",
    functionName: "rotate-due",
    getRemainingTimeInMillis: () => remaining,
  });
  const versions = () => Promise.all(here.map(async (id) => (await source(id)).version));
  const before = await versions();
  const { rotated, underWay, failed } = await handler({}, lambda(2_000));
  assert.deepEqual([rotated, failed], [[], []]);
  assert.deepEqual(underWay.map(({ secret }) => secret).sort(), [...here].sort());
  assert.deepEqual(await versions(), before);
  const { result } = await run();
  assert.deepEqual(result.rotated.toSorted(), [...here].sort());
});

test("fails visibly, with a message that says what and where, when Vault is away", async () => {
  const { aws, runner, model } = stack;
  const access = JSON.parse(runner.env.KEYPLANE_VAULT ?? "") as Record<string, string>;
  const env = {
    ...runner.env,
    KEYPLANE_VAULT: JSON.stringify({ ...access, address: "https://127.0.0.1:1" }),
  };
  const shipping = { model: shipped(model) };
  await aws.function("rotate-due", { as: "cut-off", role: runner.role, env, timeout: 120, shipping });
  const { failed, answer, log } = await aws.invoke("cut-off", {});
  assert.equal(failed, true);
  assert.match(
    (answer as { errorMessage: string }).errorMessage,
    /^Vault at https:\/\/127\.0\.0\.1:1 could not be/,
  );
  assert.match(log, /"level":"error".*"error":"VaultUnreachableError"/);
});

test("its log is JSON and holds no value; nor does the emulator's (R54)", async () => {
  await sleep(2_500);
  const { result, log } = await run();
  for (const id of here) await source(id);
  const lines = log.split("\n").filter((line) => line.startsWith("{"));
  assert.match(lines.at(-1) ?? "", /"message":"the run has ended"/);
  for (const line of lines) JSON.parse(line);
  const emulator = await readFile(`${stack.server.services.home}/logs/aws.log`, "utf8");
  assert.ok(values.size >= 6);
  for (const text of [log, JSON.stringify(result), emulator, await stack.server.log()]) {
    for (const value of values) assert.ok(!text.includes(value));
  }
});
