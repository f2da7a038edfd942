import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { CloudTrailClient, LookupEventsCommand } from "@aws-sdk/client-cloudtrail";
import { PutSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { type StepName, stepNames } from "../../lambdas/rotate-postgres/event.ts";
import { rotateSecret } from "../../local/aws/rotate-secret.ts";
import type { AwsRole } from "../../model/aws.ts";
import type { Model } from "../../model/model.ts";
import { endedWithFile } from "../integration/support/ended-with-file.ts";
import { type RotatedUsers, startRotatedUsers } from "./database-users.ts";
import type { DatabaseValue } from "./platform.ts";

let stack: RotatedUsers;
const shared = endedWithFile();
/** Every password of this file, to be looked for in logs at its end. */
const passwords = new Set<string>();

before(async () => {
  stack = await startRotatedUsers(shared);
});

const rotate = (secret: string) =>
  rotateSecret({ secrets: stack.aws.secrets, lambda: stack.aws.lambda, secret });

async function value(secret: string, label?: string): Promise<DatabaseValue> {
  const found = await stack.aws.value(secret, label);
  assert.ok(found, `${secret} has no ${label ?? "AWSCURRENT"}`);
  passwords.add(found.password);
  return found;
}

/** A user that was rotated so often. */
async function rotated(times: number) {
  const user = await stack.user();
  for (let count = 0; count < times; count++) await rotate(user.arn);
  return { ...user, current: await value(user.arn) };
}

/** Begins a rotation as Secrets Manager does: a label on a version without a value. */
async function begin(arn: string, text?: string): Promise<string> {
  const version = randomUUID();
  await stack.aws.secrets.send(
    new PutSecretValueCommand({
      SecretId: arn,
      ClientRequestToken: version,
      VersionStages: ["AWSPENDING"],
      ...(text !== undefined && { SecretString: text }),
    }),
  );
  return version;
}

/** One event. @returns what the function said when it failed */
async function send(arn: string, version: string, step: StepName | string): Promise<string | undefined> {
  const event = { SecretId: arn, ClientRequestToken: version, Step: step };
  const { failed, answer } = await stack.aws.invoke(stack.rotator.name, event);
  return failed ? (answer as { errorMessage: string }).errorMessage : undefined;
}

/** Everything that a rotation could change: what Postgres keeps of the logins, and the labels. */
async function world({ arn, logins }: { arn: string; logins: string[] }) {
  const roles = await stack.server.query(
    stack.like,
    `select rolname, rolcanlogin, rolpassword, rolconnlimit, shobj_description(oid, 'pg_authid') as comment,
            array(select setconfig::text from pg_db_role_setting where setrole = a.oid) as settings
       from pg_authid a where rolname = any($1) order by 1`,
    [logins],
  );
  return { roles, labels: await stack.aws.labels(arn), value: await stack.aws.value(arn) };
}

test("the first rotation makes the user and its first value (R31)", async () => {
  const { arn, logins } = await stack.user();
  assert.equal(await stack.aws.value(arn), undefined);
  const version = await rotate(arn);
  const { password, ...rest } = await value(arn);
  const { host, port, database } = stack.database;
  assert.deepEqual(rest, { engine: "postgres", host, port, dbname: database, username: logins[0] });
  assert.match(password, /^[\w-]{43}$/);
  const { AWSPENDING, AWSCURRENT } = await stack.aws.labels(arn);
  assert.deepEqual([AWSPENDING, AWSCURRENT], [undefined, version]);
  const group = stack.like.databaseUser?.memberOf;
  const [role] = await stack.server.query(
    stack.like,
    `select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as extra, rolcanlogin,
            left(rolpassword, 14) as verifier,
            array(select roleid::regrole::text from pg_auth_members where member = a.oid) as groups
       from pg_authid a where rolname = $1`,
    [logins[0]],
  );
  assert.deepEqual(role, { extra: false, rolcanlogin: true, verifier: "SCRAM-SHA-256$", groups: [group] });
  assert.equal(await stack.refusal(await value(arn)), undefined);
});

test("two logins take turns; the one before logs in until its next turn, and its old password never again (R31)", async () => {
  const { arn, logins, current: first } = await rotated(1);
  await rotate(arn);
  const second = await value(arn);
  assert.deepEqual([first.username, second.username], logins);
  assert.deepEqual(await value(arn, "AWSPREVIOUS"), first);
  assert.deepEqual([await stack.refusal(first), await stack.refusal(second)], [undefined, undefined]);
  await rotate(arn);
  const third = await value(arn);
  assert.equal(third.username, first.username);
  assert.notEqual(third.password, first.password);
  assert.deepEqual(
    [await stack.refusal(first), await stack.refusal(second), await stack.refusal(third)],
    ["28P01", undefined, undefined],
  );
});

test("sessions of a login's turn before are ended at its next one, and no others", async () => {
  const { arn, current: first } = await rotated(1);
  const fields = ({ username, password }: DatabaseValue) => ({ user: username, password });
  const old = await stack.server.connect(stack.like, fields(first), "old client");
  await rotate(arn);
  await old.query("select 1");
  const present = await stack.server.connect(stack.like, fields(await value(arn)), "present client");
  await rotate(arn);
  await assert.rejects(old.query("select 1"));
  await present.query("select 1");
  await present.end();
});

test("what a login owns becomes its group's, for both logins alike, and rights stay as they were", async () => {
  const { arn, logins, current } = await rotated(1);
  const group = stack.like.databaseUser?.memberOf;
  const table = `public.of_${current.username}`;
  const { query } = stack.server;
  await query(stack.like, `create table ${table} as select 1 as id; grant select on ${table} to ${group}`);
  await query(stack.like, `alter table ${table} owner to ${current.username}`);
  const others = `select relname, relowner::regrole::text as owner, relacl::text from pg_class
                   where relnamespace = 'public'::regnamespace and relname not like 'of_%' order by 1`;
  const before = await query(stack.like, others);
  for (let turn = 0; turn < 3; turn++) {
    await rotate(arn);
    const { username: user, password } = await value(arn);
    assert.equal(user, logins[(turn + 1) % 2]);
    const client = await stack.server.connect(stack.like, { user, password });
    // Only an owner may.
    await client.query(`alter table ${table} add column turn_${turn} int`);
    await client.end();
  }
  const [owner] = await query(
    stack.like,
    "select relowner::regrole::text as owner from pg_class where oid = $1::regclass",
    [table],
  );
  assert.deepEqual(owner, { owner: group });
  assert.deepEqual(await query(stack.like, others), before);
  await query(stack.like, `drop table ${table}`);
});

test("events that come again change nothing: of a rotation that is in force", async () => {
  const { arn, logins } = await rotated(2);
  const before = await world({ arn, logins });
  const version = before.labels.AWSCURRENT ?? "";
  for (const step of stepNames) assert.equal(await send(arn, version, step), undefined, step);
  assert.deepEqual(await world({ arn, logins }), before);
});

test("events that come again change nothing: each step twice, one after the other and at once", async () => {
  const { arn, logins } = await rotated(1);
  const version = await begin(arn);
  for (const step of stepNames) {
    assert.equal(await send(arn, version, step), undefined, step);
    const once = await world({ arn, logins });
    const pending = await stack.aws.value(arn, "AWSPENDING");
    const again = [send(arn, version, step), send(arn, version, step)];
    assert.deepEqual(await Promise.all(again), [undefined, undefined], step);
    assert.deepEqual(await world({ arn, logins }), once, step);
    assert.deepEqual(await stack.aws.value(arn, "AWSPENDING"), pending, step);
  }
  assert.equal(await stack.refusal(await value(arn)), undefined);
});

test("an event that is not of a pending version of one of its secrets is refused, and nothing is changed", async () => {
  const { arn, logins } = await rotated(3);
  const before = await world({ arn, logins });
  const previous = before.labels.AWSPREVIOUS ?? "";
  const stranger = await stack.aws.secret("keyplane/local/titan/ledger/nobody", stack.rotator.arn);
  const cases: [unknown, RegExp][] = [
    [{ SecretId: arn, ClientRequestToken: previous, Step: "setSecret" }, /not AWSPENDING, but AWSPREVIOUS/],
    [
      { SecretId: arn, ClientRequestToken: randomUUID(), Step: "createSecret" },
      /not AWSPENDING, but without/,
    ],
    [{ SecretId: arn, ClientRequestToken: previous, Step: "deleteSecret" }, /Step is none of createSecret, /],
    [{ SecretId: arn, Step: "setSecret" }, /no ClientRequestToken/],
    [{ ClientRequestToken: previous, Step: "setSecret" }, /no SecretId/],
    [null, /no SecretId/],
    [
      { SecretId: stranger, ClientRequestToken: randomUUID(), Step: "createSecret" },
      /keyplane\/local\/titan\/ledger\/nobody is no secret of this function/,
    ],
  ];
  for (const [event, expected] of cases) {
    const { failed, answer } = await stack.aws.invoke(stack.rotator.name, event);
    const { errorType, errorMessage } = answer as { errorType: string; errorMessage: string };
    assert.ok(failed && errorType !== "", JSON.stringify(event));
    assert.match(errorMessage, expected);
    assert.match(errorMessage, /Nothing was changed\.$/);
  }
  assert.deepEqual(await world({ arn, logins }), before);
});

test("steps out of their order bring nothing into force", async () => {
  const { arn, logins } = await rotated(1);
  const before = await world({ arn, logins });
  const version = await begin(arn);
  assert.match((await send(arn, version, "setSecret")) ?? "", /has no value yet: createSecret comes first/);
  assert.equal(await send(arn, version, "createSecret"), undefined);
  assert.match((await send(arn, version, "testSecret")) ?? "", /refuses the new login/);
  assert.match(
    (await send(arn, version, "finishSecret")) ?? "",
    /what does not log in does not come into force/,
  );
  const after = await world({ arn, logins });
  assert.deepEqual([after.roles, after.value], [before.roles, before.value]);
  assert.equal(await rotate(arn), version);
  assert.equal(await stack.refusal(await value(arn)), undefined);
});

test("a pending value that fits the catalogue no longer is let go of, and the next rotation succeeds", async () => {
  const { arn, current } = await rotated(1);
  for (const wrong of [
    { ...current, host: "db.old.example" },
    { ...current, username: "somebody" },
    current,
  ]) {
    const version = await begin(arn, JSON.stringify(wrong));
    assert.match((await send(arn, version, "createSecret")) ?? "", /does not fit .* rotate the secret again/);
    assert.equal((await stack.aws.labels(arn)).AWSPENDING, undefined);
    await rotate(arn);
    assert.equal(await stack.refusal(await value(arn)), undefined);
  }
});

test("a login that somebody else made, or a right too many, is not taken: the message says what to do", async () => {
  const { arn, logins } = await stack.user();
  await stack.server.query(stack.like, `create role ${logins[0]} login password 'x' connection limit 1`);
  await assert.rejects(rotate(arn), {
    name: "RotationFailedError",
    message: new RegExp(
      `^setSecret of .*: The login ${logins[0]} of titan/ledger was made by someone else: .*GRANT`,
    ),
  });
  assert.equal(await stack.aws.value(arn), undefined);
  await stack.server.query(stack.like, `drop role ${logins[0]}`);
  await rotate(arn);
  const other = await rotated(1);
  const version = await begin(other.arn);
  for (const step of ["createSecret", "setSecret"])
    assert.equal(await send(other.arn, version, step), undefined);
  await stack.server.query(stack.like, `grant pg_read_all_data to ${other.logins[1]}`);
  assert.match((await send(other.arn, version, "testSecret")) ?? "", /is a member of .*, not of .* alone/);
  assert.deepEqual(await value(other.arn), other.current);
  await stack.server.query(stack.like, `revoke pg_read_all_data from ${other.logins[1]}`);
  assert.equal(await rotate(other.arn), version);
});

test("a database that is down gives a clear error, nothing is in force that does not work, and it heals", async () => {
  const { arn, current } = await rotated(1);
  await stack.server.test.kill("postgres");
  const version = await begin(arn);
  assert.equal(await send(arn, version, "createSecret"), undefined);
  const said = await send(arn, version, "setSecret");
  assert.match(
    said ?? "",
    /^setSecret of arn:.*, version [\w-]{36}: Vault could not make a login for titan\/ledger at /,
  );
  assert.match(said ?? "", /Secrets Manager tries again by itself; the value in force goes on working\.$/);
  assert.match((await send(arn, version, "testSecret")) ?? "", /titan\/ledger at .* is not there for now/);
  assert.match((await send(arn, version, "finishSecret")) ?? "", /titan\/ledger at .* is not there for now/);
  assert.deepEqual(await value(arn), current);
  await stack.server.test.start({
    postgresSettings: { log_statement: "all", log_min_duration_statement: "0" },
  });
  assert.equal(await rotate(arn), version);
  assert.notDeepEqual(await value(arn), current);
  assert.equal(await stack.refusal(await value(arn)), undefined);
});

test("the function is no superuser, keeps no credential, and leaves no login behind", async () => {
  const { arn } = await rotated(2);
  const names = Object.keys(stack.rotator.env).sort();
  assert.deepEqual(names, ["AWS_ENDPOINT_URL", "KEYPLANE_DATABASE", "KEYPLANE_VAULT"]);
  assert.doesNotMatch(JSON.stringify(stack.rotator.env), /password|token|secret_?key/i);
  assert.deepEqual(await stack.server.engineLogins(), []);
  const [acting] = await stack.server.query(
    stack.like,
    "select rolsuper, rolcanlogin, rolbypassrls, rolreplication from pg_roles where rolname = $1",
    [stack.database.rotation.actsAs],
  );
  assert.deepEqual(acting, {
    rolsuper: false,
    rolcanlogin: false,
    rolbypassrls: false,
    rolreplication: false,
  });
  assert.ok(arn.includes("keyplane/local/titan/ledger/"));
});

test("another IAM role gets no login of the function's, and the function none of another role of Vault", async () => {
  const { aws, server, rotator, shipping } = stack;
  const { env } = rotator;
  const { trust, rights } = functionOf(server.model);
  const stranger = await aws.role({ name: "stranger", trust, rights });
  await aws.vaultRole("keyplane.of-stranger", stranger, []);
  /** The function's code under another name, as another role, or told something else of Vault. */
  const like = async (as: string, role: string, more: Record<string, string> = {}) => {
    const access = JSON.parse(env.KEYPLANE_VAULT ?? "") as Record<string, string>;
    const told = { ...env, KEYPLANE_VAULT: JSON.stringify({ ...access, ...more }) };
    await aws.function("rotate-postgres", { as, role, env: told, timeout: 60, shipping });
  };
  const { arn } = await rotated(1);
  await like("as-stranger", stranger);
  const version = await begin(arn);
  const said = async (name: string, Step: StepName) => {
    const event = { SecretId: arn, ClientRequestToken: version, Step };
    const { failed, answer } = await aws.invoke(name, event);
    return failed ? (answer as { errorMessage: string }).errorMessage : "";
  };
  assert.equal(await said("as-stranger", "createSecret"), "");
  assert.match(await said("as-stranger", "setSecret"), /auth\/aws\/login: 400: .*does not/);
  await like("as-other", rotator.role, { role: "keyplane.of-stranger" });
  assert.match(await said("as-other", "setSecret"), /auth\/aws\/login: 400: .*does not/);
  // Signed for another Vault.
  await like("as-elsewhere", rotator.role, { serverId: "vault.other.example" });
  assert.match(await said("as-elsewhere", "setSecret"), /auth\/aws\/login: 400: .*header/);
  assert.deepEqual(await server.engineLogins(), []);
  assert.equal(await rotate(arn), version);
});

/** The function's role as the model has it. */
function functionOf({ aws }: Model): AwsRole {
  const found = aws?.roles.find(({ name }) => name === stack.rotator.name);
  assert.ok(found);
  return found;
}

/** What CloudTrail has of Secrets Manager, as text. */
async function trail(): Promise<string> {
  const { endpoint, region, account } = stack.aws;
  const credentials = { accessKeyId: account, secretAccessKey: "test" };
  const client = new CloudTrailClient({ endpoint, region, credentials });
  const pages: string[] = [];
  for (let NextToken: string | undefined; ; ) {
    const page = await client.send(
      new LookupEventsCommand({
        LookupAttributes: [{ AttributeKey: "EventName", AttributeValue: "PutSecretValue" }],
        ...(NextToken !== undefined && { NextToken }),
      }),
    );
    pages.push(JSON.stringify(page.Events ?? []));
    NextToken = page.NextToken;
    if (NextToken === undefined) break;
  }
  assert.match(pages.join(""), /PutSecretValue/);
  return pages.join("");
}

test("its log is JSON, names step, secret and version, and holds no value; nor does any other log (R54)", async () => {
  const { arn } = await rotated(2);
  const version = await begin(arn);
  for (const step of stepNames) {
    const event = { SecretId: arn, ClientRequestToken: version, Step: step };
    const { log, answer } = await stack.aws.invoke(stack.rotator.name, event);
    const lines = log.split("\n").filter((line) => line.startsWith("{"));
    assert.ok(lines.length > 0, log);
    for (const line of lines) {
      const told = JSON.parse(line) as Record<string, unknown>;
      assert.deepEqual([told.step, told.secret, told.version], [step, arn, version]);
      assert.ok(typeof told.message === "string" && told.level === "info", line);
    }
    await value(arn);
    for (const password of passwords) {
      assert.ok(!log.includes(password) && !JSON.stringify(answer).includes(password), step);
    }
  }
  await value(arn);
  const { home, postgres } = stack.server.services;
  const logs = ["aws", "vault"].map((name) => readFile(`${home}/logs/${name}.log`, "utf8"));
  const texts = [await readFile(postgres.logFile, "utf8"), ...(await Promise.all(logs)), await trail()];
  assert.ok(passwords.size > 20 && texts[0] !== "");
  for (const text of texts) for (const password of passwords) assert.ok(!text.includes(password));
});
