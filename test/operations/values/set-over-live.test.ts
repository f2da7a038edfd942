import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { type Vault, VaultError } from "../../../clients/vault.ts";
import type { Secret } from "../../../model/model.ts";
import { rotate } from "../../../operations/rotation/engine.ts";
import { readJournal } from "../../../operations/rotation/journal-store.ts";
import { standingOf } from "../../../operations/rotation/schedule.ts";
import { readSource, writeSource } from "../../../operations/values/deliver.ts";
import { ConflictError } from "../../../operations/values/kv.ts";
import { secretNamed, setValue } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { openBench, type RotationBench } from "../rotation/bench.ts";
import { exchangeRotation } from "../rotation/exchange-rotation.ts";
import { ProviderServer } from "../rotation/provider-server.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench?.close());

const set = (secret: Secret, given: Fields, vault: Vault = bench.vault) =>
  setValue({ vault, model: bench.model, by: "gus" }, secret, given, () => {});

const value = () => randomBytes(24).toString("base64url");

const exchange = () => ProviderServer.start({ fields: ["key", "secret"], quota: 5 });

/** A provider and the key that a rotation has made there. */
async function rotatedOnce() {
  const server = await exchange();
  const { secret, options } = await exchangeRotation(bench, server);
  await rotate(options);
  const [made = assert.fail("nothing was made")] = server.live();
  return { server, secret, options, made, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

describe("set over a key that the provider has made", () => {
  test("notes which key it is: it is named until the next rotation has revoked it (R15)", async () => {
    await using rotated = await rotatedOnce();
    const { server, secret, options, made } = rotated;
    // It is used, so that nothing takes it for a key that was left behind.
    made.lastUsed = new Date();
    const { left = "" } = await set(secret, server.issue(["keys", "trade"]).values);
    assert.match(
      left,
      new RegExp(`exchange's key ${made.id}.* may still live: the next rotation revokes it`),
    );
    assert.ok(!left.includes(made.values.key ?? ""));
    const { journal } = await readJournal(bench, secret);
    assert.deepEqual([journal?.state, journal?.unrevoked], ["done", [{ id: made.id, provider: "exchange" }]]);
    const facts = { version: 3, versions: {}, ...(journal && { journal }) };
    const { why, unrevoked } = standingOf(secret, facts, bench.model.rotation, new Date());
    assert.deepEqual(unrevoked, journal?.unrevoked);
    assert.match(why, new RegExp(`exchange's key ${made.id} may still live`));

    assert.equal((await rotate(options)).state, "done");
    assert.equal(made.isLive, false);
    assert.equal((await readJournal(bench, secret)).journal?.unrevoked, undefined);
    assert.equal(server.live().length, 1);
  });

  test("promises no revocation by a rotation where the catalogue has another provider now: the next one leaves it owed (R15)", async () => {
    await using rotated = await rotatedOnce();
    const { secret, options, made } = rotated;
    made.lastUsed = new Date();
    await using other = await exchange();
    const provider = { ...secret.provider, name: "other", api: true, address: other.address };
    const changed = { ...secret, provider };
    const { left = "" } = await set(changed, other.issue(["keys", "trade"]).values);
    assert.match(left, new RegExp(`^exchange's key ${made.id}, .* may still live: revoke it there$`));

    assert.equal((await rotate({ ...options, secret: changed })).state, "done");
    const { journal } = await readJournal(bench, secret);
    assert.deepEqual(journal?.unrevoked, [{ id: made.id, provider: "exchange" }]);
    assert.equal(made.isLive, true);
  });

  test("says with its account what a new value may not be let revoke (R15)", async () => {
    await using rotated = await rotatedOnce();
    const { server, secret } = rotated;
    const held = (await readSource({ ...bench, by: "gus" }, secret)) ?? assert.fail("it has no value");
    await writeSource({ ...bench, by: "gus" }, secret, {
      fields: { ...held, "issued-to": "4711" },
      after: 2,
    });
    const { left = "" } = await set(secret, server.issue(["keys", "trade"]).values);
    assert.match(
      left,
      /^exchange's key \S+ \(of 4711\), .*revokes it where the new value may do that; otherwise/,
    );
    const { journal } = await readJournal(bench, secret);
    assert.deepEqual(journal?.unrevoked, [{ id: held["issued-id"], provider: "exchange", account: "4711" }]);
  });

  test("the same value again leaves nothing to be revoked", async () => {
    await using rotated = await rotatedOnce();
    const { secret, made } = rotated;
    assert.equal((await set(secret, made.values)).left, undefined);
    assert.equal((await readJournal(bench, secret)).journal?.unrevoked, undefined);
  });

  test("a rotation that begins at the same moment is not overwritten", async () => {
    await using rotated = await rotatedOnce();
    const { server, secret, options } = rotated;
    const { vault } = bench;
    const slow = vault.with(vault.token);
    slow.request = async (method, path, ...rest) => {
      const isNote = method === "POST" && path.endsWith(secret.journal);
      if (isNote) await rotate(options);
      return vault.request(method, path, ...rest);
    };
    const given = server.issue(["keys", "trade"]).values;
    await assert.rejects(set(secret, given, slow), ConflictError);
    const { journal } = await readJournal(bench, secret);
    assert.deepEqual([journal?.state, journal?.unrevoked, journal?.history.length], ["done", undefined, 1]);
  });

  test("whoever may not write what rotations note is told to revoke it there", async () => {
    await using rotated = await rotatedOnce();
    const { server, secret } = rotated;
    const [made] = server.live();
    const bound = bench.vault.with(bench.vault.token);
    bound.request = async (method, path, ...rest) => {
      if (method === "POST" && path.endsWith(secret.journal)) throw new VaultError(method, path, 403, []);
      return bench.vault.request(method, path, ...rest);
    };
    const { left = "" } = await set(secret, server.issue(["keys", "trade"]).values, bound);
    assert.match(left, new RegExp(`exchange's key ${made?.id}.* may still live: revoke it there`));
  });
});

describe("set over a value that a person has made", () => {
  const elsewhere = (id: string, name: string): Secret => ({
    ...secretNamed(bench.model, id),
    source: `source/${name}/it`,
    journal: `rotation/${name}/it`,
    consumers: [],
  });

  test("says that nobody is asked to revoke the one before, and what asks; the first one replaces nothing (R44)", async () => {
    const secret = elsewhere("titan/binance", "set-by-hand");
    assert.equal((await set(secret, { key: value(), secret: value() })).left, undefined);
    assert.match(
      (await set(secret, { key: value(), secret: value() })).left ?? "",
      /nobody is asked to revoke the value before.*revoke it at binance.*`keyplane set titan\/binance --rotate` asks/,
    );
  });

  test("where the value before is not seen as well", async () => {
    const secret = elsewhere("titan/binance", "set-by-hand-unseen");
    const blind = bench.vault.with(bench.vault.token);
    blind.request = async (method, path, ...rest) => {
      if (method === "GET" && path === `kv/data/${secret.source}`)
        throw new VaultError(method, path, 403, []);
      return bench.vault.request(method, path, ...rest);
    };
    assert.equal((await set(secret, { key: value(), secret: value() }, blind)).left, undefined);
    assert.match(
      (await set(secret, { key: value(), secret: value() }, blind)).left ?? "",
      /nobody is asked to revoke/,
    );
  });

  test("of what only consumers know there is nothing to be revoked anywhere", async () => {
    const secret = elsewhere("titan/hmac", "set-hmac");
    const key = () => ({ primary: randomBytes(32).toString("hex") });
    await set(secret, key());
    assert.equal((await set(secret, key())).left, undefined);
  });
});
