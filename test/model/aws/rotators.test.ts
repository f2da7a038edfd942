import assert from "node:assert/strict";
import { test } from "node:test";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { allowed } from "./simulator.ts";

const found = derive(await loadCatalogue("catalogue"), "production").aws;
assert.ok(found);
const aws = found;
const { account, region } = aws;

const functionArn = (name: string) => `arn:aws:lambda:${region}:${account}:function:${name}`;

/** The roles that may do something to something, by their own rights. */
async function who(action: string, resource: string): Promise<string[]> {
  const may = [];
  for (const { name, rights } of aws.roles) {
    if (rights === undefined) continue;
    const principal = `arn:aws:iam::${account}:role/${name}`;
    if (await allowed({ principal, action, resource, account, rights })) may.push(name);
  }
  return may;
}

/**
 * Secrets Manager asks it of who starts or sets up a rotation.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
 */
test("who may let a secret rotate may call its function; of functions nobody else calls any but the schedules, theirs (R7, R14)", async () => {
  const callers = new Map(aws.functions.map(({ name }) => [name, new Set<string>()]));
  for (const secret of aws.secrets) {
    const arn = `arn:aws:secretsmanager:${region}:${account}:secret:${secret.name}-AbCdEf`;
    const starting = await who("secretsmanager:RotateSecret", arn);
    assert.deepEqual(
      starting,
      ["administrator", "deploy", "rotate"].map((one) => `keyplane-production-${one}`),
    );
    for (const name of starting) callers.get(secret.function)?.add(name);
  }
  for (const schedule of aws.schedules) callers.get(schedule.function)?.add(schedule.role);
  for (const { name } of aws.functions) {
    assert.deepEqual(
      await who("lambda:InvokeFunction", functionArn(name)),
      [...(callers.get(name) ?? [])],
      name,
    );
  }
  for (const name of ["keyplane-production-other", "keyplane-staging-rotate-due", "somebodys"]) {
    assert.deepEqual(await who("lambda:InvokeFunction", functionArn(name)), [], name);
  }
});
