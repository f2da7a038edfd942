import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import {
  SecretsManager,
  SecretsManagerError,
  SecretsManagerUnreachableError,
} from "../../clients/secrets-manager.ts";

/** What the server says, one after the other; the last one again and again. */
let answers: { status: number; body: string }[];
let asked: { headers: IncomingHttpHeaders; body: Record<string, unknown> }[];
let store: SecretsManager;
const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  asked.push({ headers: request.headers, body: JSON.parse(body) as Record<string, unknown> });
  const { status, body: text } = (answers.length > 1 ? answers.shift() : answers[0]) ?? {
    status: 500,
    body: "",
  };
  response.writeHead(status).end(text);
});

before(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = {
    accessKeyId: "AKIA",
    secretAccessKey: "the-key-of-this-test",
    sessionToken: "session",
  };
  store = new SecretsManager({ region: "eu-west-1", credentials, endpoint });
});
after(() => {
  store.close();
  server.close();
});
beforeEach(() => {
  asked = [];
});

const refusal = (code: string) => ({
  status: 400,
  body: JSON.stringify({ __type: code, message: "so it is" }),
});

test("asks with a signature of the role's session, and reads a description", async () => {
  const dates = '"CreatedDate":1795737600.5,"NextRotationDate":1798329600';
  const found = `{"Name":"a","RotationEnabled":true,"VersionIdsToStages":{"1":["AWSCURRENT"]},${dates}}`;
  answers = [{ status: 200, body: found }];
  assert.deepEqual(await store.describe("arn:a"), {
    name: "a",
    rotates: true,
    versions: { "1": ["AWSCURRENT"] },
    made: new Date("2026-11-27T00:00:00.500Z"),
    rotated: undefined,
    next: new Date("2026-12-27T00:00:00Z"),
  });
  const [{ headers, body } = { headers: {}, body: {} }] = asked;
  assert.equal(headers["x-amz-target"], "secretsmanager.DescribeSecret");
  assert.equal(headers["x-amz-security-token"], "session");
  assert.match(
    headers.authorization ?? "",
    /^AWS4-HMAC-SHA256 Credential=AKIA\/\d+\/eu-west-1\/secretsmanager\/aws4_/,
  );
  assert.deepEqual(body, { SecretId: "arn:a" });
  assert.doesNotMatch(JSON.stringify(asked), /the-key-of-this-test/);
});

test("starts a rotation by a token of its own, and says which version is to come", async () => {
  answers = [{ status: 200, body: '{"ARN":"arn:a","Name":"a","VersionId":"t1"}' }];
  assert.equal(await store.rotate("a", "t1"), "t1");
  assert.deepEqual(asked.at(-1)?.body, { SecretId: "a", ClientRequestToken: "t1" });
});

test("finds no value where there is no version, or one without a text", async () => {
  answers = [refusal("ResourceNotFoundException")];
  assert.equal(await store.value("a", { label: "AWSCURRENT" }), undefined);
  answers = [{ status: 200, body: '{"VersionId":"1"}' }];
  assert.equal(await store.value("a", { label: "AWSPENDING", version: "1" }), undefined);
  assert.deepEqual(asked.at(-1)?.body, { SecretId: "a", VersionStage: "AWSPENDING", VersionId: "1" });
});

test("waits and asks again when it is throttled or Secrets Manager is ill", async () => {
  answers = [
    refusal("ThrottlingException"),
    { status: 503, body: "" },
    { status: 200, body: "<html>" },
    { status: 200, body: '{"SecretString":"x"}' },
  ];
  assert.equal(await store.value("a", { label: "AWSCURRENT" }), "x");
  assert.equal(asked.length, 4);
});

test("says what could not be done after several tries, and repeats no value that it sent", async () => {
  answers = [refusal("ThrottlingException")];
  const put = store.put("a", { version: "1", label: "AWSPENDING", value: "the-value-of-this-test" });
  await assert.rejects(put, (error) => {
    assert.ok(error instanceof SecretsManagerUnreachableError);
    assert.match(error.message, /PutSecretValue of a did not succeed in 5 tries \(so it is\)/);
    assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /the-value-of-this-test/);
    return true;
  });
});

test("a refusal is told at once, with its code", async () => {
  answers = [{ status: 400, body: '{"__type":"com.amazonaws#AccessDeniedException","Message":"no"}' }];
  await assert.rejects(store.label("a", "AWSCURRENT", { to: "2", from: "1" }), (error) => {
    assert.ok(error instanceof SecretsManagerError);
    assert.equal(error.code, "AccessDeniedException");
    assert.equal(error.message, "Secrets Manager: UpdateSecretVersionStage of a: AccessDeniedException: no");
    return true;
  });
  assert.equal(asked.length, 1);
  assert.deepEqual(asked[0]?.body, {
    SecretId: "a",
    VersionStage: "AWSCURRENT",
    MoveToVersionId: "2",
    RemoveFromVersionId: "1",
  });
});
