import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connectAsSuperuser } from "../../local/services/postgres-server.ts";
import { FernetKey } from "../../operations/rotation/re-encryption/fernet.ts";
import { type Files, ShopStack } from "./services/shop-stack.ts";
import type { Run } from "./support/keyplane.ts";

// The whole local stack, services that `keyplane run` keeps up to date, and the real command.

const system = `system: shop
owner: ada
services:
  api: { runs-on: compose, user: 1000, reload: restart }
  worker: { runs-on: compose, user: 1000, reload: watch }
  batch: { runs-on: compose, user: 1000, reload: restart, deliver: [{ to: env-file, path: .env }] }
secrets:
  signing:
    class: critical
    kind: hmac
    rotate: { every: 30d, overlap: 24h }
    idle: none
    consumers:
      worker:
        role: listener
        as: { SHOP_PRIMARY_FILE: primary, SHOP_SECONDARY_FILE: secondary, SHOP_KEY_ID_FILE: key-id }
      api: { role: signer, as: { SHOP_PRIMARY_FILE: primary, SHOP_KEY_ID_FILE: key-id } }
  session:
    class: critical
    kind: token
    rotate: { every: 180d, overlap: 1h }
    idle: none
    consumers:
      worker: { role: listener, as: { SHOP_SESSION_FILE: token, SHOP_SESSION_BEFORE_FILE: previous } }
      api: { role: signer, as: { SHOP_SESSION_FILE: token } }
  relay:
    class: sensitive
    kind: password
    rotate: { every: 90d }
    impact: Relays reconnect
    idle: none
    consumers: { batch: { role: listener, as: { SHOP_RELAY: password } } }
  cards:
    class: critical
    kind: fernet
    rotate: { every: 90d, overlap: 30d }
    stored: [{ database: main, table: cards, column: number }]
    consumers: { batch: { as: { SHOP_CARDS: key, SHOP_CARDS_BEFORE: previous } } }
databases:
  main:
    engine: postgres
    at: { local: { database: shop } }
    groups: { shop_app: { grants: [{ schema: public, tables: [select, update] }] } }
encryption-keys:
  letters:
    rotate: { every: 90d }
    retain: 30d
    stored: [{ database: main, table: letters, column: body }]
    consumers: { api: [encrypt, decrypt] }
`;

let shop: ShopStack;
before(async () => {
  shop = await ShopStack.start(system, ["api", "worker"]);
});
after(() => shop?.[Symbol.asyncDispose]());

/** Everything a command said, without any value that a service ran before or runs now. */
async function assertSilent({ stdout, stderr }: Run): Promise<void> {
  for (const name of ["api", "worker"]) {
    for (const [variable, value] of (await shop.ran(name)).flatMap((files) => Object.entries(files))) {
      if (variable === "SHOP_KEY_ID_FILE") continue;
      assert.ok(!`${stdout}${stderr}`.includes(value), `${variable} was printed`);
    }
  }
}

test("the dry run says what would happen, and neither Vault nor a service changes", async () => {
  const [api, worker] = [await shop.runs("api"), await shop.runs("worker")];
  const { code, stdout, stderr } = await shop.keyplane("rotate", "shop/signing", "shop/session", "--dry-run");
  assert.equal(code, 0, stderr);
  for (const name of ["signing", "session"]) {
    const text = stdout.slice(stdout.indexOf(`shop/${name}: would rotate (scheduled).`));
    assert.ok(text.indexOf("shop/worker:") < text.indexOf("shop/api:"), text);
    assert.match(text, /restarts, in this order: shop\/api\n/);
  }
  assert.match(stdout, /both values are accepted for 1 d\n/);
  assert.doesNotMatch(stdout, /cannot be seen/);
  assert.deepEqual([await shop.runs("api"), await shop.runs("worker")], [api, worker]);
  const status = await shop.keyplane("rotations");
  assert.match(status.stdout, /^shop\/session +on time +version 1 /m);
  assert.match(status.stdout, /^shop\/signing +on time +version 1 /m);
});

test("what this machine cannot deliver is refused before anything is made, with where to run it", async () => {
  const refused = await shop.keyplane("rotate", "shop/relay");
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(
    `${refused.stdout}${refused.stderr}`,
    /shop\/batch, env-file \.env: this machine is not the service's host: run the same command there/,
  );
  const planned = await shop.keyplane("rotate", "shop/relay", "--dry-run");
  assert.equal(planned.code, 0, planned.stderr);
  assert.match(
    planned.stdout,
    /^shop\/relay: would rotate \(scheduled\)\.\n {2}would be refused: .*shop\/batch, env-file \.env: this machine is not/,
  );
  const status = await shop.keyplane("rotations", "shop/relay");
  assert.match(status.stdout, /^shop\/relay +on time +version 1 /m);
});

test("an HMAC key and a token rotate: listeners accept both values, the signer has the new one, both drain", async () => {
  const [api, worker] = [await shop.runs("api"), await shop.runs("worker")];
  const rotated = await shop.keyplane("rotate", "shop/signing", "shop/session");
  assert.equal(rotated.code, 0, rotated.stderr);
  assert.match(rotated.stdout, /^shop\/signing: drain: both values are accepted until /m);
  assert.match(rotated.stdout, /^shop\/session: drain: both values are accepted until /m);
  const signer = await shop.seen("api", (files) => files.SHOP_PRIMARY_FILE !== api.SHOP_PRIMARY_FILE);
  assert.notEqual(signer.SHOP_SESSION_FILE, api.SHOP_SESSION_FILE);
  assert.notEqual(signer.SHOP_KEY_ID_FILE, api.SHOP_KEY_ID_FILE);
  const listener = await shop.runs("worker");
  assert.equal(listener.SHOP_PRIMARY_FILE, signer.SHOP_PRIMARY_FILE);
  assert.equal(listener.SHOP_SECONDARY_FILE, worker.SHOP_PRIMARY_FILE);
  assert.equal(listener.SHOP_SESSION_FILE, signer.SHOP_SESSION_FILE);
  assert.equal(listener.SHOP_SESSION_BEFORE_FILE, worker.SHOP_SESSION_FILE);
  await assertSilent(rotated);
});

test("status names the step and until when it waits, and a scheduled run changes nothing before that", async () => {
  const status = await shop.keyplane("rotations");
  assert.equal(status.code, 0);
  assert.match(status.stdout, /^shop\/signing +under way at drain since .* version 2 .* until /m);
  const { stdout } = await shop.keyplane("rotations", "shop/session", "--json");
  const { secrets } = JSON.parse(stdout) as { secrets: { state: string; step: string; version: number }[] };
  assert.deepEqual(
    secrets.map(({ state, step, version }) => [state, step, version]),
    [["under way", "drain", 2]],
  );
  const due = await shop.keyplane("rotate", "--due");
  assert.deepEqual([due.code, due.stdout], [0, "Nothing is due.\n"]);
});

test("R21: after a compromise both are replaced at once, what was left out is said, and nobody accepts the old", async (t) => {
  const api = await shop.runs("api");
  const worker = await shop.runs("worker");
  const began = performance.now();
  const rotated = await shop.keyplane(
    "rotate",
    "shop/signing",
    "shop/session",
    "--reason",
    "compromise",
    "--yes",
  );
  assert.equal(rotated.code, 0, rotated.stderr);
  assert.match(rotated.stdout, /^shop\/signing: done, version \d+\.\n {2}left out: /m);
  assert.match(rotated.stdout, /left out: the overlap of 86400 s was cut short/);
  assert.match(rotated.stdout, /^shop\/session: done, version \d+\./m);
  const signer = await shop.seen("api", (files) => files.SHOP_PRIMARY_FILE !== api.SHOP_PRIMARY_FILE);
  const gone = [
    api.SHOP_PRIMARY_FILE,
    api.SHOP_SESSION_FILE,
    worker.SHOP_SECONDARY_FILE,
    worker.SHOP_SESSION_BEFORE_FILE,
  ];
  const listener = await shop.seen("worker", (files) =>
    Object.values(files).every((value) => !gone.includes(value)),
  );
  const took = (performance.now() - began) / 1000;
  t.diagnostic(
    `two secrets replaced at two services after a compromise: ${took.toFixed(1)} s, command included`,
  );
  assert.equal(listener.SHOP_PRIMARY_FILE, signer.SHOP_PRIMARY_FILE);
  assert.equal(listener.SHOP_SESSION_FILE, signer.SHOP_SESSION_FILE);
  await assertSilent(rotated);
  const status = await shop.keyplane("rotations", "shop/signing");
  assert.equal(status.code, 0);
  assert.match(status.stdout, /^ {2}\S+ \S+ {2}done \(compromise\)/m);
});

test("R62: `rotations NAME` counts what the tables hold under each version of a key, and prints no key", async () => {
  const absent = await shop.keyplane("rotations", "shop/letters");
  assert.equal(absent.code, 2, absent.stdout);
  assert.match(
    absent.stdout,
    /^ {2}rows are not counted: shop\/main public\.letters\.body: the table has no column/m,
  );
  const session = await shop.stack.as("rotate");
  const key = (await session.vault.read<{ data: Files }>("kv/data/source/shop/cards"))?.data.key ?? "";
  await session.end();
  const number = new FernetKey(key).seal({ plaintext: Buffer.from("4111"), time: 1n });
  const { services } = shop.stack.first;
  const { home, postgres, issuer } = services;
  const client = await connectAsSuperuser({ home, port: postgres.port, ca: issuer.ca, database: "shop" });
  await client.query("CREATE TABLE cards (id int PRIMARY KEY, number text)");
  await client.query("CREATE TABLE letters (id int PRIMARY KEY, body text)");
  await client.query("GRANT SELECT, UPDATE ON cards, letters TO shop_app");
  await client.query("INSERT INTO cards VALUES (1, $1), (2, $1)", [number]);
  await client.query("INSERT INTO letters VALUES (1, 'vault:v1:AAAA')");
  await client.end();
  const counted = await shop.keyplane("rotations", "shop/letters", "shop/cards");
  assert.equal(counted.code, 0, counted.stderr);
  assert.match(counted.stdout, /^shop\/letters +on time .*\n {2}version 1, of [-0-9]+: encrypts, 1 row\n/m);
  assert.match(counted.stdout, /^ {2}shop\/main public\.letters\.body: 1 v1$/m);
  assert.match(counted.stdout, /^shop\/cards +on time .*\n {2}version 1, of [-0-9]+: encrypts, 2 rows\n/m);
  assert.ok(!`${counted.stdout}${counted.stderr}`.includes(key), "the key was printed");
  const { stdout } = await shop.keyplane("rotations", "shop/cards", "--json");
  const { secrets } = JSON.parse(stdout) as { secrets: { census: { columns: unknown } }[] };
  assert.deepEqual(secrets[0]?.census.columns, [
    { column: "shop/main public.cards.number", rows: { v1: 2 } },
  ]);
});

test("no value that was ever in force stands in the journals", async () => {
  const session = await shop.stack.as("rotate");
  const journals = await Promise.all(
    ["signing", "session"].map((name) => session.vault.read(`kv/data/rotation/shop/${name}`)),
  );
  await session.end();
  await assertSilent({ code: 0, stdout: JSON.stringify(journals), stderr: "" });
});
