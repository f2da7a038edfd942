import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { PutSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import type { AwsOptions } from "../../clients/secrets-manager.ts";
import { type StepName, stepNames } from "../../lambdas/rotate-postgres/event.ts";
import { rotateSecret } from "../../local/aws/rotate-secret.ts";
import { endedWithFile } from "../integration/support/ended-with-file.ts";
import { seeded } from "../integration/support/seeded.ts";
import type { CrashPoint } from "../operations/rotation/counted.ts";
import type { CrashedStep } from "./crash-runner.ts";
import { type RotatedUsers, startRotatedUsers } from "./database-users.ts";

const isWhole = process.env.KEYPLANE_SCALE === "prove";
/** Points of each step where not all are taken. */
const perStep = 2;

let stack: RotatedUsers;
let aws: AwsOptions;
const shared = endedWithFile();
const passwords = new Set<string>();

before(async () => {
  stack = await startRotatedUsers(shared);
  const { endpoint, region } = stack.aws;
  aws = { endpoint, region, credentials: await stack.aws.session(stack.rotator.role) };
});

const rotate = (secret: string) =>
  rotateSecret({ secrets: stack.aws.secrets, lambda: stack.aws.lambda, secret });

interface Begun {
  arn: string;
  version: string;
  logins: string[];
}

/** A rotation that has begun, the next one after so many. */
async function begun(rotations: number): Promise<Begun> {
  const { arn, logins } = await stack.user();
  for (let count = 0; count < rotations; count++) await rotate(arn);
  const version = randomUUID();
  const labelled = { SecretId: arn, ClientRequestToken: version, VersionStages: ["AWSPENDING"] };
  await stack.aws.secrets.send(new PutSecretValueCommand(labelled));
  return { arn, version, logins };
}

/** A step in a process of its own, killed at a call where one is given. @returns the calls of one that was not */
async function run({ arn, version }: Begun, step: StepName, at?: CrashPoint): Promise<string[] | "killed"> {
  const event = { SecretId: arn, ClientRequestToken: version, Step: step };
  const input: CrashedStep = {
    aws,
    env: stack.rotator.env,
    users: stack.shipping.model,
    event,
    ...(at !== undefined && { at }),
  };
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve("./crash-runner.ts"))], {
    stdio: "pipe",
    timeout: 60_000,
    killSignal: "SIGTERM",
  });
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once("exit", (code, signal) => resolve({ code, signal })),
  );
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(input));
  const [said, errors, { code, signal }] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  await note(arn);
  for (const password of passwords) assert.ok(!`${said}${errors}`.includes(password), "a value in its log");
  if (signal === "SIGKILL") return "killed";
  assert.equal(code, 0, `${step}: ${errors}${said}`);
  return JSON.parse(errors) as string[];
}

async function note(arn: string): Promise<void> {
  for (const label of ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"]) {
    const value = await stack.aws.value(arn, label);
    if (value !== undefined) passwords.add(value.password);
  }
}

/** Kills at every call of a step (or at some of them), each in a rotation of its own; all of them converge. */
async function killEverywhere(t: { diagnostic(message: string): void }, rotations: number): Promise<number> {
  const whole = await begun(rotations);
  const points: { step: StepName; at: CrashPoint; name: string }[] = [];
  const random = seeded(5);
  for (const step of stepNames) {
    const calls = await run(whole, step);
    assert.ok(calls !== "killed" && calls.length > 0, step);
    const all = calls.flatMap((name, index) =>
      (["before", "after"] as const).map((when) => ({ step, at: { index, when }, name })),
    );
    const some = Array.from({ length: perStep }, () => all[Math.floor(random() * all.length)]);
    points.push(...(isWhole ? all : some.filter((point) => point !== undefined)));
  }
  assert.equal((await stack.aws.labels(whole.arn)).AWSCURRENT, whole.version);
  let killed = 0;
  for (const { step, at, name } of points) {
    const one = await begun(rotations);
    const where = `killed ${at.when} call ${at.index} (${name}) of ${step}`;
    for (const before of stepNames.slice(0, stepNames.indexOf(step))) await run(one, before);
    if ((await run(one, step, at)) === "killed") killed++;
    const held = await stack.aws.value(one.arn);
    if (rotations > 0 || held !== undefined) assert.equal(await stack.refusal(held), undefined, where);
    // As Secrets Manager does: all four steps again, with the version that it had, unless that is in force already.
    const isDone = (await stack.aws.labels(one.arn)).AWSCURRENT === one.version;
    const version = await rotate(one.arn);
    assert.equal(version === one.version, !isDone, where);
    const { AWSPENDING, AWSCURRENT } = await stack.aws.labels(one.arn);
    assert.deepEqual([AWSPENDING, AWSCURRENT], [undefined, version], where);
    assert.equal(await stack.refusal(await stack.aws.value(one.arn)), undefined, where);
    await note(one.arn);
  }
  t.diagnostic(`${killed} of ${points.length} points killed and converged`);
  return killed;
}

test("kill -9 at any call of the first rotation: nothing is in force that does not log in, and it converges (R31)", async (t) => {
  assert.ok((await killEverywhere(t, 0)) >= 6);
});

test("kill -9 at any call of a later rotation: the value in force logs in at every moment, and it converges (R31)", async (t) => {
  assert.ok((await killEverywhere(t, 2)) >= 6);
});

test("once the leases of what was killed have ended, no login of the function is left, and no value is in Postgres' log", async () => {
  assert.ok(passwords.size > 12);
  await stack.server.root.write("sys/leases/revoke-prefix/database/creds", { sync: true });
  assert.deepEqual(await stack.server.engineLogins(), []);
  const log = await stack.server.log();
  for (const password of passwords) assert.ok(!log.includes(password));
});
