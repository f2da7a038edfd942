import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CreateAccessKeyCommand, CreateUserCommand, ListAccessKeysCommand } from "@aws-sdk/client-iam";
import { type Aws, clientsOf } from "../../../local/providers/aws/clients.ts";
import { type LocalServices, startServices, stopServices } from "../../../local/services/index.ts";
import { s3 } from "../../../operations/rotation/rotators/s3.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { catalogueModel, contextOf } from "./rotator-context.ts";

let folder: string;
let services: LocalServices;
let aws: Aws;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-iam-"));
  services = await startServices(join(folder, "services"), { report: () => {}, only: ["aws"] });
  aws = clientsOf(services.aws);
});
after(async () => {
  aws?.close();
  await stopServices(join(folder, "services"), { deleteData: true, report: () => {} });
  await rm(folder, { recursive: true, force: true });
});

/** A user of the emulator's IAM with an access key, and what rotates that key as an administrator. */
async function userOf(name: string) {
  await aws.iam.send(new CreateUserCommand({ UserName: name }));
  const { AccessKey } = await aws.iam.send(new CreateAccessKeyCommand({ UserName: name }));
  const current: Fields = { user: AccessKey?.AccessKeyId ?? "", password: AccessKey?.SecretAccessKey ?? "" };
  const { endpoint } = services.aws;
  const provider = {
    name: "aws",
    api: true,
    address: endpoint,
    credential: "titan/binance",
    rate: { requests: 100, per: 1 },
  };
  const context = contextOf(await catalogueModel(), "solo/minio", {
    change: { provider },
    sources: { "titan/binance": { key: "test", secret: "test" } },
  });
  const keys = async () => {
    const { AccessKeyMetadata = [] } = await aws.iam.send(new ListAccessKeysCommand({ UserName: name }));
    return AccessKeyMetadata.map(({ AccessKeyId, Status }) => [AccessKeyId, Status]);
  };
  return { context, current, keys };
}

test("an access key is made, found again by the user's tags, and the old one deleted at an IAM that is not ours", async () => {
  const { context, current, keys } = await userOf("solo");
  const next = await s3.create(context, current);
  assert.deepEqual(await keys(), [
    [current.user, "Active"],
    [next.user, "Active"],
  ]);
  await s3.probe(context, next, current);
  await s3.revoke(context, current, next);
  assert.deepEqual(await keys(), [[next.user, "Active"]]);
  await s3.revoke(context, current, next);
});

test("a key whose answer was lost there is deleted before another one is made", async () => {
  const { context, current, keys } = await userOf("lost");
  const lost = await s3.create(context, current);
  const next = await s3.create(context, current);
  assert.notEqual(next.user, lost.user);
  assert.deepEqual(
    (await keys()).map(([id]) => id),
    [current.user, next.user],
  );
});
