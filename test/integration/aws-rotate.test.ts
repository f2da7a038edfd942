import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  DeleteRolePolicyCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import {
  CancelRotateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  RotateSecretCommand,
} from "@aws-sdk/client-secrets-manager";
import pg from "pg";
import { SecretsManager } from "../../clients/secrets-manager.ts";
import { trailEvent } from "../../local/aws/trail-event.ts";
import { awsToken } from "../../local/identity.ts";
import { type Aws, clientsOf } from "../../local/providers/aws/clients.ts";
import { takeRole } from "../../operations/aws-role.ts";
import { startStack, type TestStack } from "./stack.ts";
import { copyCatalogue } from "./support/catalogue-copy.ts";
import { keyplane } from "./support/keyplane.ts";

// What Secrets Manager is late with is rotated by `keyplane rotate --due`, as the role that rotate.yml takes.

let catalogue: Awaited<ReturnType<typeof copyCatalogue>>;
let stack: TestStack;
let aws: Aws;
const [proxy, report] = ["titan-proxy", "titan-report"].map(
  (user) => `keyplane/local/titan/ledger/${user}`,
) as [string, string];
const role = "keyplane-local-rotate";

before(async () => {
  catalogue = await copyCatalogue(
    /\n {6}titan-proxy:.*\n((?: {8}.*\n)+)/,
    "$&      titan-report:\n$1",
    "systems/titan.yaml",
  );
  stack = await startStack({ catalogue: catalogue.folder });
  aws = clientsOf(stack.first.services.aws);
});
after(async () => {
  aws?.close();
  await stack?.[Symbol.asyncDispose]();
  await catalogue?.[Symbol.asyncDispose]();
});

/** The version in force; undefined before the first rotation. */
async function inForce(SecretId: string): Promise<string | undefined> {
  const { VersionIdsToStages = {} } = await aws.secrets.send(new DescribeSecretCommand({ SecretId }));
  return Object.keys(VersionIdsToStages).find((version) =>
    VersionIdsToStages[version]?.includes("AWSCURRENT"),
  );
}

interface Told {
  secret: string;
  result: string;
  text: string;
  to?: string;
}

/** `keyplane rotate --due`, and what it says of Secrets Manager. */
async function rotateDue(...more: string[]) {
  const { code, stdout, stderr } = await keyplane(stack.home, [
    ...["rotate", "--due", "--catalogue", catalogue.folder, "--json", ...more],
  ]);
  const { rotations, inSecretsManager } = JSON.parse(stdout) as Record<string, Told[] | undefined>;
  const told = (inSecretsManager ?? rotations ?? []).filter(
    ({ secret }) => secret.includes("/ledger/titan-") || secret.includes("Secrets Manager"),
  );
  return {
    code,
    told,
    results: Object.fromEntries(told.map(({ secret, result }) => [secret, result])),
    stderr,
  };
}

test("what is overdue in Secrets Manager is rotated by `rotate --due`, as the role of the workflow; what is in time is left, and a dry run says which (R14)", async () => {
  await aws.secrets.send(new RotateSecretCommand({ SecretId: proxy }));
  for (const end = Date.now() + 60_000; (await inForce(proxy)) === undefined; await sleep(100)) {
    assert.ok(Date.now() < end, "the first rotation did not end within a minute");
  }
  const before = await inForce(proxy);
  assert.equal(await inForce(report), undefined);

  const planned = await rotateDue("--dry-run");
  assert.deepEqual([planned.code, planned.results], [0, { [proxy]: "unchanged", [report]: "due" }]);
  assert.equal(await inForce(report), undefined);

  const since = new Date();
  const done = await rotateDue();
  assert.deepEqual([done.code, done.results], [0, { [proxy]: "unchanged", [report]: "done" }]);
  const version = await inForce(report);
  assert.ok(version !== undefined && version === done.told.find(({ secret }) => secret === report)?.to);
  assert.equal(await inForce(proxy), before);
  const event = await trailEvent(aws.trail, "secretsmanager RotateSecret", {
    since,
    of: report,
    wanted: ({ SecretId }) => SecretId === report,
  });
  assert.equal(event?.who, "a role's session");
  const { SecretString = "" } = await aws.secrets.send(new GetSecretValueCommand({ SecretId: report }));
  const { host, port, dbname, username, password } = JSON.parse(SecretString) as Record<string, string>;
  const client = new pg.Client({ host, port: Number(port), database: dbname, user: username, password });
  await client.connect();
  await client.end();
  assert.doesNotMatch(done.stderr, new RegExp(String(password)));

  // By its name it rotates whether it is due or not.
  const asked = await keyplane(stack.home, [
    ...["rotate", "titan/ledger-titan-report", "--catalogue", catalogue.folder, "--json"],
  ]);
  const [named] = (JSON.parse(asked.stdout) as { rotations: Told[] }).rotations;
  assert.deepEqual([asked.code, named?.secret, named?.result], [0, report, "done"]);
  const again = await rotateDue();
  assert.deepEqual([again.code, again.results], [0, { [proxy]: "unchanged", [report]: "unchanged" }]);
  const last = await inForce(report);
  assert.ok(last !== version && last === named?.to);
});

test("the workflow's role starts and sees rotations, and reads, writes and labels no value", async () => {
  const { services, model } = stack.first;
  const { account, region, endpoint } = services.aws;
  const arn = `arn:aws:iam::${account}:role/${role}`;
  const token = await awsToken(services, model);
  const credentials = await takeRole({ role: arn, token, region, endpoint });
  const client = new SecretsManager({ region, endpoint, credentials });
  try {
    assert.equal((await client.describe(proxy)).rotates, true);
    const denied = { name: "SecretsManagerError", code: /AccessDenied/ };
    await assert.rejects(client.value(proxy, { label: "AWSCURRENT" }), denied);
    await assert.rejects(
      client.put(proxy, { version: "v".repeat(32), label: "AWSPENDING", value: "x" }),
      denied,
    );
    await assert.rejects(client.label(proxy, "AWSPENDING", { to: "v".repeat(32) }), denied);
  } finally {
    client.close();
  }
  for (const other of ["deploy", "drift"] as const) {
    const of = `arn:aws:iam::${account}:role/keyplane-local-${other}`;
    await assert.rejects(takeRole({ role: of, token, region, endpoint }), { name: "LoginError" });
  }
});

test("a run ends with 1 for a rotation that is switched off, 2 where AWS refuses it, 3 where it does not get the role", async () => {
  const looked = async () => {
    const { code, results } = await rotateDue("--dry-run");
    return [code, results];
  };
  const [rest, all] = [{ [proxy]: "unchanged", [report]: "unchanged" }, "2 in Secrets Manager"];
  const { RotationRules } = await aws.secrets.send(new DescribeSecretCommand({ SecretId: proxy }));
  await aws.secrets.send(new CancelRotateSecretCommand({ SecretId: proxy }));
  assert.deepEqual(await looked(), [1, { ...rest, [proxy]: "stuck" }]);
  await aws.secrets.send(new RotateSecretCommand({ SecretId: proxy, RotationRules }));

  const rights = { RoleName: role, PolicyName: "rights" };
  const { PolicyDocument = "" } = await aws.iam.send(new GetRolePolicyCommand(rights));
  await aws.iam.send(new DeleteRolePolicyCommand(rights));
  assert.deepEqual(await looked(), [2, { [proxy]: "failed", [report]: "failed" }]);
  await aws.iam.send(
    new PutRolePolicyCommand({ ...rights, PolicyDocument: decodeURIComponent(PolicyDocument) }),
  );

  const { Role } = await aws.iam.send(new GetRoleCommand({ RoleName: role }));
  const trust = decodeURIComponent(Role?.AssumeRolePolicyDocument ?? "");
  assert.match(trust, /rotate\.yml@/);
  const trusting = (text: string) =>
    aws.iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: role, PolicyDocument: text }));
  await trusting(trust.replaceAll("rotate.yml@", "another.yml@"));
  assert.deepEqual(await looked(), [3, { [all]: "failed" }]);
  await trusting(trust);
  assert.deepEqual(await looked(), [0, rest]);
});
