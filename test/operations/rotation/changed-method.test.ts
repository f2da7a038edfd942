import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Secret } from "../../../model/model.ts";
import { postgres } from "../../../operations/rotation/rotators/postgres.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { rotated, staged } from "./postgres-steps.ts";

let server: DatabaseServer;
const shared = endedWithFile();

before(async () => {
  server = await startDatabaseServer(shared);
});

/** As the catalogue has it with the other method. */
function withLogins(secret: Secret, logins: string[]): Secret {
  assert.ok(secret.databaseUser);
  return { ...secret, databaseUser: { ...secret.databaseUser, logins } };
}

test("alternating changed to single under way: what was staged ends as it began, then one login takes over (R31, R32)", async () => {
  const secret = server.like(server.secret("titan/ledger-titan-brain"), "to_one");
  const first = await rotated(server, secret, undefined, "first");
  const { context, next } = await staged(server, secret, first);
  const single = withLogins(secret, ["to_one"]);
  const after = { ...context, secret: single };
  await postgres.stage(after, next, first);
  assert.equal(postgres.replaces(next, first), false);
  await postgres.revoke(after, first, next);
  await postgres.verify(after, first, next);
  assert.deepEqual(
    [await server.refusal(secret, first), await server.refusal(secret, next)],
    ["28P01", undefined],
  );
  const one = await rotated(server, single, next);
  assert.equal(one.user, "to_one");
  assert.equal(await server.refusal(secret, next), "28P01", "the login of before is shut");
  const again = await rotated(server, single, one);
  assert.equal(again.user, "to_one");
  assert.equal(await server.refusal(secret, one), "28P01");
});

test("single changed to alternating under way: the password that was staged stays, then two logins take turns (R31, R32)", async () => {
  const secret = server.like(server.secret("rec-io/trading-rec_trading_user"), "to_two");
  const first = await rotated(server, secret, undefined, "first");
  const { context, next } = await staged(server, secret, first);
  const alternating = withLogins(secret, ["to_two_a", "to_two_b"]);
  const after = { ...context, secret: alternating };
  await postgres.stage(after, next, first);
  await postgres.revoke(after, first, next);
  await postgres.verify(after, first, next);
  assert.equal(await server.refusal(secret, next), undefined);
  let current = next;
  for (const user of ["to_two_a", "to_two_b"]) {
    const following = await rotated(server, alternating, current);
    assert.equal(following.user, user);
    assert.equal(await server.refusal(secret, current), "28P01");
    current = following;
  }
});

test("taken back after the method was changed, the login of before works and the new one does not (R31)", async () => {
  const secret = server.like(server.secret("titan/ledger-titan-brain"), "back_one");
  const first = await rotated(server, secret, undefined, "first");
  const { context, next } = await staged(server, secret, first);
  const after = { ...context, secret: withLogins(secret, ["back_one"]) };
  await postgres.revoke(after, next, first);
  await postgres.verify(after, next, first);
  assert.deepEqual(
    [await server.refusal(secret, first), await server.refusal(secret, next)],
    [undefined, "28P01"],
  );
});
