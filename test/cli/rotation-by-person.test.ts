import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { keyplane } from "./command.ts";
import { shop, TwoEnvironments } from "./two-environments.ts";

// What a person does to rotations: a value of their own, and the word that a foreign version may go.

let at: TwoEnvironments;
before(async () => {
  at = await TwoEnvironments.start();
});
after(() => at?.[Symbol.asyncDispose]());

const key = () => `sk-${randomBytes(24).toString("hex")}`;

/** Gives a value of shop/openai on standard input. */
async function give(environment: string, value: string, ...args: string[]) {
  const run = await keyplane(
    ["set", "shop/openai", ...args, "--environment", environment, "--catalogue", at.catalogue],
    { env: at.environmentOf(environment), input: value },
  );
  assert.ok(!`${run.stdout}${run.stderr}`.includes(value), "the value was printed");
  return run;
}

async function kept(environment: "staging" | "production") {
  const found = await at[environment].root.read<{ data: { key: string }; metadata: { version: number } }>(
    "kv/data/source/shop/openai",
  );
  return { key: found?.data.key, version: found?.metadata.version };
}

test("R25: set --rotate is refused in production before staging has shown it: 1, and what was given is not taken", async () => {
  const first = key();
  for (const environment of ["staging", "production"]) {
    const { code, stderr } = await give(environment, first);
    assert.equal(code, 0, stderr);
  }
  const refused = await give("production", key(), "--rotate");
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /shop\/openai is not rotated here yet: staging has no evidence of a rotation/);
  assert.deepEqual(await kept("production"), { key: first, version: 1 });
  assert.equal(await at.production.root.read("kv/data/rotation/shop/openai"), undefined);

  const next = key();
  const leaked = await give("production", next, "--rotate", "--reason", "compromise");
  assert.match(leaked.stderr, /compromise: evidence of staging is not waited for/);
  assert.deepEqual((await kept("production")).key, next);
  const journal = await at.production.root.read<{ data: Record<string, unknown> }>(
    "kv/data/rotation/shop/openai",
  );
  assert.equal(journal?.data.reason, "compromise");
});

test("set --rotate in a blackout does not begin, says until when, and is a finding; what has leaked does", async () => {
  const file = join(at.catalogue, "organization.yaml");
  const open = at.organization();
  const why = "reason: The end of the year";
  const windows = `[{ from: "00:00", to: "12:00", ${why} }, { from: "12:00", to: "00:00", ${why} }]`;
  const blackout = `rotation: { watch: 1s, jitter: 1m, blackouts: ${windows} }`;
  await writeFile(file, open.replaceAll("rotation: { watch: 1s, jitter: 1m }", blackout));
  try {
    const before = await kept("staging");
    const held = await give("staging", key(), "--rotate");
    assert.equal(held.code, 1, held.stderr);
    assert.match(held.stdout, /^shop\/openai: did not begin: The end of the year \(until \d{4}-/);
    assert.deepEqual(await kept("staging"), before);
    const next = key();
    await give("staging", next, "--rotate", "--reason", "leaver");
    assert.equal((await kept("staging")).key, next);
  } finally {
    await writeFile(file, open);
  }
});

test("rotations resume --over-version lets a version that somebody wrote go by its number, and by no other", async () => {
  const resume = (...args: string[]) => at.run("staging", "rotations", "resume", "shop/session", ...args);
  const system = join(at.catalogue, "systems/shop.yaml");
  // In staging as in production an hour.
  const long = shop.replace(/ +per-environment: .*\n/, "");
  await writeFile(system, long);
  const draining = await at.json("staging", "rotate", "shop/session");
  assert.equal(draining.rotations[0]?.result, "drains", draining.rotations[0]?.text);
  const { data } = await at.staging.root.write<{ version: number }>("kv/data/source/shop/session", {
    data: { token: "written-by-hand" },
  });
  const foreign = data.version;
  // Its overlap is over.
  await writeFile(system, long.replace("overlap: 1h", "overlap: 1s"));
  const stuck = await resume();
  assert.equal(stuck.code, 1, stuck.stdout);
  assert.ok(
    stuck.stdout.includes(`\`keyplane rotations resume shop/session --over-version ${foreign}\``),
    stuck.stdout,
  );
  for (const wrong of [
    ["--over-version", "the-last"],
    ["--over-version", "0"],
    ["shop/openai", "--over-version", String(foreign)],
  ]) {
    const { code, stderr } = await resume(...wrong);
    assert.equal(code, 2);
    assert.match(stderr, /--over-version (takes the number that the rotation names|is of one secret)/);
  }
  const other = await resume("--over-version", String(foreign + 3));
  assert.equal(other.code, 1, other.stdout);
  const { code, stdout } = await resume("--over-version", String(foreign));
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^shop\/session: done, version/);
  assert.match(
    stdout,
    new RegExp(`note: version ${foreign} of source/shop/session, which somebody else wrote`),
  );
  assert.notEqual((await at.source("staging")).token, "written-by-hand");
});

test("R15: to resume by name says nothing of the old value; whoever says it is revoked is named, with who passed it on", async () => {
  await give("staging", key(), "--rotate", "--reason", "leaver");
  const resume = (...args: string[]) => at.run("staging", "rotations", "resume", "shop/openai", ...args);
  const asked = await resume();
  assert.equal(asked.code, 1, asked.stderr);
  assert.match(asked.stdout, /^shop\/openai: stuck at revoke: ada is asked to revoke the value before/);
  const stranger = await resume("--by", "mallory");
  assert.equal(stranger.code, 2);
  assert.match(stranger.stderr, /--by names nobody of the catalogue; there are ada, ben/);
  for (const [args, said] of [
    [["--by", "ben"], /--by is of what a person makes: name it, keyplane rotations resume NAME --by PERSON/],
    [
      ["shop/openai", "shop/session", "shop/documents", "--by", "ben"],
      /--by is of what a person makes, and a machine makes shop\/session, shop\/documents: resume that without --by/,
    ],
    [["shop/session", "--by", "ben", "--dry-run"], /a machine makes shop\/session: resume that without --by/],
    [["shop/openai", "--by", "ben", "--over-version", "3"], /give --by in a run of its own/],
  ] as const) {
    const { code, stderr } = await at.run("staging", "rotations", "resume", ...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, said);
  }
  const done = await resume("--by", "ben");
  assert.equal(done.code, 0, done.stderr);
  const journal = await at.staging.root.read<{ data: Record<string, unknown> }>(
    "kv/data/rotation/shop/openai",
  );
  assert.deepEqual([journal?.data.state, journal?.data.confirmedBy], ["done", "ben (as keyplane.rotate)"]);
  const nothing = await resume("--by", "ben");
  assert.equal(nothing.code, 0);
  assert.match(nothing.stdout, /^shop\/openai: nothing is under way\./);
});

test("a retired secret is listed until its rotation has ended, and then said to be retired: 1 where it was to be rotated", async () => {
  const catalogue = join(at.folder, "retired");
  await mkdir(join(catalogue, "systems"), { recursive: true });
  await writeFile(join(catalogue, "organization.yaml"), at.organization());
  const retired = "    retired: { since: 2026-11-01, reason: It leaked }\n";
  await writeFile(join(catalogue, "systems/shop.yaml"), shop.replace("  openai:\n", `${retired}  openai:\n`));
  const run = (...args: string[]) =>
    keyplane([...args, "--environment", "staging", "--catalogue", catalogue], {
      env: at.environmentOf("staging"),
    });
  const over = /shop\/session: retired since 2026-11-01 \(It leaked\), and nothing of it is under way\./;
  for (const [expected, ...args] of [
    ["0", "rotations", "shop/session"],
    ["0", "rotations", "resume", "shop/session"],
    ["1", "rotate", "shop/session"],
    ["1", "rotate", "shop/session", "--dry-run"],
  ]) {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(`${code}`, expected, stderr);
    assert.match(stdout, over);
  }
  assert.doesNotMatch((await run("rotations")).stdout, /shop\/session/);

  const path = "kv/data/rotation/shop/session";
  const found = await at.staging.root.read<{ data: Record<string, unknown> }>(path);
  const data = {
    ...found?.data,
    state: "drain",
    notBefore: "2099-01-01T00:00:00Z",
    waiting: "both are accepted",
  };
  await at.staging.root.write(path, { data });
  assert.match(
    (await run("rotations")).stdout,
    /^shop\/session +under way at drain .*\(both are accepted\)/m,
  );
  await at.staging.root.write(path, { data: { state: "dancing" } });
  const listed = await run("rotations");
  assert.equal(listed.code, 1);
  assert.match(
    listed.stdout,
    /^shop\/session +unreadable .* holds no journal that this version understands/m,
  );
  assert.match(listed.stdout, /^shop\/documents +on time/m);
});

test("R21: a leaked value that a person makes: what is advised is a rotation with its reason, since plain set would ask nobody to revoke it", async () => {
  for (const [args, advice] of [
    [["--reason", "compromise", "--yes"], "keyplane set shop/openai --rotate --reason compromise"],
    [[], "keyplane set shop/openai --rotate"],
  ] as const) {
    const { code, stdout } = await at.run("staging", "rotate", "shop/openai", ...args);
    assert.deepEqual([code, stdout], [1, `shop/openai: ada makes it: ${advice}.\n`]);
  }
});

test("R32: a database user that was there before is given by the command, and its next password is not", async () => {
  const system = join(at.catalogue, "systems/shop.yaml");
  const place = "{ database: shop, host: 127.0.0.1 }";
  await writeFile(
    system,
    `${shop}databases:
  orders:
    engine: postgres
    at: { staging: ${place}, production: ${place} }
    groups: { shop_orders: { grants: [{ schema: public, tables: [select] }] } }
    users:
      shop_user:
        member-of: shop_orders
        rotate: { every: 30d, method: single }
        impact: New connections are refused until a process has restarted
        consumers: { api: { as: { ORDERS_PASSWORD: password } } }
`,
  );
  const name = "shop/orders-shop_user";
  const set = (fields: object) =>
    keyplane(["set", name, "--environment", "staging", "--catalogue", at.catalogue], {
      env: at.environmentOf("staging"),
      input: JSON.stringify(fields),
    });
  const wrong = await set({ user: "postgres", password: "orders" });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /field user: must be the login that the catalogue declares, shop_user/);
  const given = await set({ user: "shop_user", password: "orders" });
  assert.equal(given.code, 0, given.stderr);
  assert.match(given.stdout, /^shop\/orders-shop_user: version 1, delivered to shop\/api\./);
  const next = await set({ user: "shop_user", password: key() });
  assert.equal(next.code, 2);
  assert.match(next.stderr, /by `keyplane rotate shop\/orders-shop_user`/);
});
