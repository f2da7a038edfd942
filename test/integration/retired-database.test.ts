import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import pg from "pg";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Fields } from "../../operations/values/shape.ts";
import { ShopStack } from "./services/shop-stack.ts";

// A database is retired while rotations of its static users are under way: the whole local stack, and the real command.

/** Users of which each ends its rotation in another way. */
const users = ["hastened", "resumed", "aborted", "deleted"];

const system = (retired: string, overlap: string) => `system: shop
owner: ada
services:
${users.map((name) => `  ${name}: { runs-on: compose, user: 1000, reload: watch }`).join("\n")}
databases:
  main:
    engine: postgres
    at: { local: { database: shop } }
    ${retired}
    groups: { shop_app: { grants: [{ schema: public, tables: [select, update] }] } }
    users:
${users
  .map(
    (name) => `      ${name}:
        member-of: shop_app
        rotate: { every: 30d, method: alternating, overlap: ${overlap} }
        idle: sessions
        as: { SHOP_USER_FILE: user, SHOP_PASSWORD_FILE: password }`,
  )
  .join("\n")}
`;

let shop: ShopStack;
before(async () => {
  shop = await ShopStack.start(system("", "1h"), users);
});
after(() => shop?.[Symbol.asyncDispose]());

async function runs(name: string): Promise<Fields> {
  const { SHOP_USER_FILE: user = "", SHOP_PASSWORD_FILE: password = "" } = await shop.runs(name);
  return { user, password };
}

/** The SQLSTATE with which the database refuses a login; undefined where it lets it in. */
async function refusal({ user = "", password = "" }: Fields): Promise<string | undefined> {
  const { host, port } = shop.stack.first.model.databases[0] ?? assert.fail();
  const client = new pg.Client({ host, port, database: "shop", user, password });
  try {
    await client.connect();
    await client.end();
    return undefined;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error.code;
    throw error;
  }
}

function refusals(all: Fields[]): Promise<(string | undefined)[]> {
  return Promise.all(all.map(refusal));
}

/** The version of a user's source that is in force. */
async function source(name: string): Promise<Fields> {
  const session = await shop.stack.as("rotate");
  const path = (await model()).secrets.find(({ id }) => id === `shop/main-${name}`)?.source;
  const read = await session.vault.read<{ data: Fields }>(`kv/data/${path}`);
  await session.end();
  return read?.data ?? assert.fail(path);
}

async function model() {
  return derive(await loadCatalogue(shop.catalogue), "local");
}

const retired = (more = "") => `retired: { since: 2026-11-01, reason: Nobody needs it${more} }`;

test("rotations of a retired database's users go on to their end or back, and no login of theirs is left (R12, R31)", async () => {
  const ids = users.map((name) => `shop/main-${name}`);
  const olds = await Promise.all(users.map(runs));
  const begun = await shop.keyplane("rotate", ...ids);
  assert.equal(begun.code, 0, begun.stdout + begun.stderr);
  for (const id of ids) assert.match(begun.stdout, new RegExp(`^${id}: drain: `, "m"));
  const news = await Promise.all(users.map(source));
  for (const fields of [...olds, ...news]) assert.equal(await refusal(fields), undefined);

  await shop.declare(system(retired(), "1s"));
  await shop.stack.up();
  const status = await shop.keyplane("rotations");
  for (const id of ids) assert.match(status.stdout, new RegExp(`^${id} +under way at drain`, "m"));

  const ofServices = users.map((name) => `services/shop/${name}/main-${name}`);
  const resumed = await shop.keyplane("rotations", "resume", "shop/main-resumed");
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.match(resumed.stdout, /^shop\/main-resumed: done, version 2\.\n {2}note: services\/shop\/resumed\//);
  // The new value may be the one that leaked: another rotation follows, with nobody to deliver to.
  const hastened = await shop.keyplane("rotate", "shop/main-hastened", "--reason", "compromise", "--yes");
  assert.equal(hastened.code, 0, hastened.stderr);
  assert.match(hastened.stdout, /^shop\/main-hastened: done, version 3\.$/m);
  const aborted = await shop.keyplane("rotations", "abort", "shop/main-aborted", "--yes");
  assert.equal(aborted.code, 0, aborted.stderr);
  assert.match(aborted.stdout, /^shop\/main-aborted: rolled back: /);
  assert.match(aborted.stdout, new RegExp(`${ofServices[2]} .*was not given the old value back`));
  const refused = "28P01";
  assert.deepEqual(await refusals(olds), [refused, refused, undefined, undefined]);
  assert.deepEqual(await refusals(news), [refused, undefined, refused, undefined]);
  const [leaked, ...others] = await Promise.all(users.map(source));
  assert.deepEqual(others, [news[1], olds[2], news[3]]);
  assert.equal(await refusal(leaked ?? {}), undefined);

  // Where the data may go, the engine has no login: a person is told what to take back, and then the last one ends.
  await shop.declare(system(retired(", delete: true"), "1s"));
  await shop.stack.up();
  const waits = await shop.keyplane("rotations", "resume", "shop/main-deleted");
  assert.equal(waits.code, 1, waits.stderr);
  assert.match(
    waits.stdout,
    /^shop\/main-deleted: stuck at drain: .*: take `delete: true` back, run keyplane up/,
  );
  assert.deepEqual([await refusal(olds[3] ?? {}), await refusal(news[3] ?? {})], [undefined, undefined]);
  await shop.declare(system(retired(), "1s"));
  await shop.stack.up();
  const last = await shop.keyplane("rotations", "resume", "shop/main-deleted");
  assert.equal(last.code, 0, last.stderr);
  assert.match(last.stdout, /^shop\/main-deleted: done, version 2\./);
  assert.deepEqual([await refusal(olds[3] ?? {}), await refusal(news[3] ?? {})], [refused, undefined]);

  // Nothing begins any more, and what was begun is told of by name.
  const due = await shop.keyplane("rotate", "--due");
  assert.deepEqual([due.code, due.stdout], [0, "Nothing is due.\n"]);
  const told = await shop.keyplane("rotations", ...ids);
  for (const id of ids)
    assert.match(told.stdout, new RegExp(`^${id}: retired .*nothing of it is under way\\.$`, "m"));
});
