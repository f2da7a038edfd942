import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Model } from "../../../model/model.ts";
import { TargetUnavailableError } from "../../../operations/rotation/rotator.ts";
import { rotatorOf } from "../../../operations/rotation/rotators/index.ts";
import { s3 } from "../../../operations/rotation/rotators/s3.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { IamServer } from "./iam-server.ts";
import { catalogueModel, contextOf, everythingOf, type TestContext } from "./rotator-context.ts";

let model: Model;
before(async () => {
  model = await catalogueModel();
});

interface World extends AsyncDisposable {
  server: IamServer;
  context: TestContext;
  current: Fields;
  /** What Vault holds. */
  sources: Record<string, Fields>;
}

/** solo's access key, were it of an IAM user; titan/binance stands in for the secret of IAM's administrator. */
async function world(): Promise<World> {
  const server = await IamServer.start();
  const { id: user, secret: password } = server.issue("solo");
  const admin = server.issue("keyplane");
  const provider = {
    name: "aws",
    api: true,
    address: server.address,
    credential: "titan/binance",
    rate: { requests: 1000, per: 1 },
  };
  const sources: Record<string, Fields> = { "titan/binance": { key: admin.id, secret: admin.secret } };
  const context = contextOf(model, "solo/minio", { change: { provider }, sources });
  return {
    server,
    context,
    current: { user, password },
    sources,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const solo = ({ server }: World) => server.keys.filter(({ user }) => user === "solo");

test("an IAM user's access key is made anew, the old one made inactive, then deleted", async () => {
  await using w = await world();
  const next = await s3.create(w.context, w.current);
  assert.deepEqual(
    solo(w).map(({ id }) => id),
    [w.current.user, next.user],
  );
  await s3.stage(w.context, next, w.current);
  await s3.probe(w.context, next, w.current);
  w.server.served.length = 0;
  await s3.revoke(w.context, w.current, next);
  assert.deepEqual(
    w.server.served.filter((action) => /Update|Delete/.test(action)),
    ["UpdateAccessKey", "DeleteAccessKey"],
  );
  await s3.revoke(w.context, w.current, next);
  await s3.verify(w.context, w.current, next);
  assert.deepEqual(
    solo(w).map(({ id, secret }) => [id, secret]),
    [[next.user, next.password]],
  );
});

test("a key whose answer was lost is found by the user's tags and deleted before another one is made", async () => {
  await using w = await world();
  w.server.fault = (action) => (action === "CreateAccessKey" ? "lost" : undefined);
  await assert.rejects(s3.create(w.context, w.current), TargetUnavailableError);
  const lost = solo(w)[1]?.id;
  w.server.fault = () => undefined;
  const next = await s3.create(w.context, w.current);
  assert.notEqual(next.user, lost);
  assert.deepEqual(
    solo(w).map(({ id }) => id),
    [w.current.user, next.user],
  );
});

test("a second key that somebody made by hand is never deleted: the error names it", async () => {
  await using w = await world();
  const foreign = w.server.issue("solo");
  await assert.rejects(s3.create(w.context, w.current), {
    name: "QuotaError",
    message: `aws refuses to make a key (409 LimitExceeded); beside the one in force there is ${foreign.id}: revoke the one that nobody uses, by hand`,
  });
  assert.equal(solo(w).length, 2);
});

/** The rotation that follows one that has ended: what it makes, or why it does not. */
async function following(w: World, current: Fields): Promise<Fields | Error> {
  const later = { ...w.context, rotation: "9d8c7b6a-0000-4000-8000-000000000002" };
  return s3.create(later, current).catch((error: Error) => error);
}

for (const [what, lastUsed] of [
  ["has not used yet", undefined],
  ["that a nightly job uses", new Date(Date.now() - 8 * 3_600_000)],
] as const)
  test(`a second key that somebody made by hand after a rotation, and ${what}, is never deleted: the error names it (R15)`, async () => {
    await using w = await world();
    const next = await s3.create(w.context, w.current);
    await s3.revoke(w.context, w.current, next);
    const foreign = w.server.issue("solo");
    foreign.lastUsed = lastUsed;
    const refused = await following(w, next);
    assert.ok(refused instanceof Error && refused.name === "QuotaError");
    assert.match(refused.message, new RegExp(`${foreign.id}: revoke the one that nobody uses, by hand$`));
    assert.deepEqual(
      solo(w).map(({ id }) => id),
      [next.user, foreign.id],
    );
  });

test("a key that somebody made by hand after IAM had refused to make one is never deleted (R15)", async () => {
  await using w = await world();
  const foreign = w.server.issue("solo");
  await assert.rejects(s3.create(w.context, w.current), { name: "QuotaError" });
  w.server.keys.splice(w.server.keys.indexOf(foreign), 1);
  const another = w.server.issue("solo");
  await assert.rejects(s3.create(w.context, w.current), { name: "QuotaError" });
  assert.ok(w.server.keys.includes(another));
});

test("a key that an earlier rotation left behind unused goes before another one is made (R15)", async () => {
  await using w = await world();
  const left = await s3.create(w.context, w.current);
  const next = await following(w, w.current);
  assert.ok(!(next instanceof Error) && next.user !== left.user);
  assert.deepEqual(
    solo(w).map(({ id }) => id),
    [w.current.user, next.user],
  );
});

test("the old key is in use until IAM's last use of it is older than IAM may take to tell", async () => {
  await using w = await world();
  const next = await s3.create(w.context, w.current);
  const [old] = solo(w);
  assert.ok(old !== undefined);
  old.lastUsed = new Date(Date.now() - 600_000);
  const found = await s3.idle(w.context, w.current, next);
  assert.deepEqual([found.state, found.state === "in use" && found.by], ["in use", ["s3"]]);
  old.lastUsed = new Date(Date.now() - 3600_000);
  assert.equal((await s3.idle(w.context, w.current, next)).state, "idle");
  old.lastUsed = undefined;
  assert.equal((await s3.idle(w.context, w.current, next)).state, "idle");
});

test("rolled back, the new key is deleted and the old one goes on", async () => {
  await using w = await world();
  const next = await s3.create(w.context, w.current);
  await s3.revoke(w.context, next, w.current);
  await s3.verify(w.context, next, w.current);
  assert.deepEqual(
    solo(w).map(({ id }) => id),
    [w.current.user],
  );
});

test("a key whose note was lost is this rotation's as well, and deleted before another one is made", async () => {
  await using w = await world();
  let notes = 0;
  const code = { code: "ServiceFailure", status: 500 };
  w.server.fault = (action) => (action === "TagUser" && ++notes === 2 ? code : undefined);
  await assert.rejects(s3.create(w.context, w.current), TargetUnavailableError);
  assert.equal(solo(w).length, 2);
  const next = await s3.create(w.context, w.current);
  assert.deepEqual(
    solo(w).map(({ id }) => id),
    [w.current.user, next.user],
  );
});

test("a key that was made and never written down is deleted when the rotation is rolled back", async () => {
  await using w = await world();
  await s3.create(w.context, w.current);
  w.sources["solo/minio"] = w.current;
  await s3.discard?.(w.context);
  assert.deepEqual(
    solo(w).map(({ id }) => id),
    [w.current.user],
  );
});

for (const [code, status] of [
  ["Throttling", 400],
  ["ServiceFailure", 500],
] as const)
  test(`IAM that answers ${code} is asked again later`, async () => {
    await using w = await world();
    w.server.fault = () => ({ code, status });
    await assert.rejects(s3.create(w.context, w.current), TargetUnavailableError);
  });

test("an administrator without the right is told, by IAM's own word and without a key", async () => {
  await using w = await world();
  w.server.fault = (action) => (action === "TagUser" ? { code: "AccessDenied", status: 403 } : undefined);
  const error = await s3.create(w.context, w.current).catch((caught: unknown) => caught);
  assert.ok(error instanceof Error);
  assert.equal(
    error.message,
    "aws refuses to note the keys that there are (403 AccessDenied): look at the credential that its API is called with",
  );
  assert.ok(
    !w.server.keys.some(
      ({ id, secret }) => everythingOf(error).includes(secret) || everythingOf(error).includes(id),
    ),
  );
});

test("a store's root user is no access key: without a provider it is a password of our own", async () => {
  const { secret } = contextOf(model, "solo/minio");
  const own = await rotatorOf(secret);
  const provided = await rotatorOf({ ...secret, provider: { name: "aws", api: true } });
  assert.deepEqual([own === s3, provided === s3], [false, true]);
});
