import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { type Aws, clientsOf } from "../../../local/providers/aws/clients.ts";
import { awsKinds } from "../../../local/providers/aws/index.ts";
import { Provider } from "../../../local/providers/provider.ts";

/** What Secrets Manager says of a secret; the emulator can switch no rotation off. */
let described: object;
let server: Server;
let aws: Aws;
let provider: Provider<Aws>;

const secret =
  "arn:aws:secretsmanager:eu-west-1:000000000000:secret:keyplane/local/titan/ledger/titan-proxy-AbCdEf";
const inputs = {
  secretId: secret,
  rotationLambdaArn: "arn:aws:lambda:eu-west-1:000000000000:function:rotate",
  rotationRules: { automaticallyAfterDays: 30, duration: "3h" },
};

before(async () => {
  server = createServer((_, response) =>
    response.writeHead(200, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(described)),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  aws = clientsOf({ endpoint, region: "eu-west-1", account: "000000000000" });
  provider = new Provider(awsKinds, () => aws);
});
after(() => {
  aws.close();
  server.close();
});

/** As Secrets Manager describes it: what was written once stays, also where nothing rotates any more. */
const rotation = (RotationEnabled: boolean) => ({
  ARN: secret,
  RotationEnabled,
  RotationLambdaARN: inputs.rotationLambdaArn,
  RotationRules: { AutomaticallyAfterDays: 30, Duration: "3h" },
});

const look = () =>
  provider.read(
    "aws:secretsmanager/secretRotation:SecretRotation",
    secret,
    { ...inputs, id: secret },
    inputs,
  );

test("a rotation that was switched off is gone to a refresh, though its function and its days still stand there", async () => {
  described = rotation(true);
  assert.deepEqual((await look())?.inputs, inputs);
  described = rotation(false);
  assert.equal(await look(), undefined);
});
