import assert from "node:assert/strict";
import { before, suite, test } from "node:test";
import { Vault } from "../../../clients/vault.ts";
import type { Model } from "../../../model/model.ts";
import { readJournal } from "../../../operations/rotation/journal-store.ts";
import type { OwedKey } from "../../../operations/rotation/owed-keys.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import { type Facts, standingOf } from "../../../operations/rotation/schedule.ts";
import { secretNamed } from "../../../operations/values/set.ts";
import { BybitServer } from "./bybit-server.ts";
import { world } from "./provider-world.ts";
import { catalogueModel, contextOf } from "./rotator-context.ts";

let model: Model;
before(async () => {
  model = await catalogueModel();
});

const idOf = "issued-id";

suite("a key that is owed", () => {
  /** Bybit, whose keys are listed by their sub account: 4711 has the key in force. */
  async function bybit() {
    const server = await BybitServer.start();
    const main = server.issue({ userID: 1 });
    const inForce = server.issue();
    const target = {
      ...{ name: "bybit", adapter: "bybit" as const, api: true, address: server.address },
      ...{ credential: "titan/binance", rate: { requests: 1000, per: 1 } },
    };
    const sources = { "titan/binance": { key: main.apiKey, secret: main.secret } };
    const context = contextOf(model, "titan/bybit", { change: { provider: target }, sources });
    const kept = { key: inForce.apiKey, secret: inForce.secret };
    const left = (...unrevoked: OwedKey[]) => provider.revokeLeft?.({ ...context, unrevoked }, kept);
    return { server, context, left, inForce, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  }

  test("is revoked in the account that it was made in, whosever the key in force is (R15)", async () => {
    await using at = await bybit();
    const [other, same] = [at.server.issue({ userID: 5000 }), at.server.issue()];
    const key = (id: string, account: string) => ({ id, provider: "bybit", account });
    assert.deepEqual(await at.left(key(other.apiKey, "5000"), key(same.apiKey, "4711")), []);
    assert.deepEqual(
      at.server.keys.filter(({ userID }) => userID !== 1),
      [at.inForce],
    );
  });

  test("stays owed where the provider does not list that account's keys, and is told with it (R15)", async () => {
    await using at = await bybit();
    const owed = { id: "k1", provider: "bybit", account: "none" };
    at.server.retCode = 10005;
    const inForce = { key: at.inForce.apiKey, secret: at.inForce.secret, [idOf]: at.inForce.apiKey };
    const context = { ...at.context, unrevoked: [owed] };
    assert.deepEqual(await provider.revokeLeft?.(context, inForce), [owed]);
    assert.match(at.context.steps.at(-1)?.text ?? "", /^bybit's key k1 \(of none\) is left: /);
  });

  test("stays owed where nobody knows whose it is and it is not listed; where it is listed, it is revoked (R15)", async () => {
    await using at = await bybit();
    const listed = at.server.issue();
    const owed = [{ id: "k1", provider: "bybit" }, { id: "k2" }];
    assert.deepEqual(await at.left(...owed, { id: listed.apiKey, provider: "bybit" }), owed);
    assert.ok(!at.server.keys.includes(listed));
  });

  test("of another provider stays owed: this one knows nothing of it; its own are gone once it lists them no more (R15)", async () => {
    await using at = await world(model, { quota: 4 });
    const there = { id: "k1", provider: "before" };
    const live = at.server.issue(["keys", "trade"]);
    const unrevoked = [there, { id: live.id, provider: "exchange" }, { id: "gone", provider: "exchange" }];
    assert.deepEqual(await provider.revokeLeft?.({ ...at.context, unrevoked }, at.current), [there]);
    assert.equal(live.isLive, false);
  });

  test("is named with its provider and account, and what revokes it (R15)", () => {
    const secret = secretNamed(model, "trading-bot/exchange");
    const here = secret.provider?.name ?? assert.fail();
    const unrevoked: OwedKey[] = [
      { id: "a", provider: here, account: "7" },
      { id: "b", provider: here, account: "7" },
      { id: "c", provider: "before", account: "9" },
      { id: "d" },
    ];
    const journal = { state: "done", history: [], startedAt: "2026-11-01T00:00:00Z", unrevoked };
    const facts = { version: 0, versions: {}, journal } as unknown as Facts;
    const { why } = standingOf(secret, facts, model.rotation, new Date());
    assert.ok(
      why.endsWith(
        `${here}'s keys a and b (of 7) may still live: \`keyplane rotate trading-bot/exchange\` revokes what does; ` +
          "before's key c (of 9), the key d may still live: revoke what does there, where no rotation asks",
      ),
      why,
    );
  });

  test("is read from journals that hold its id alone", async () => {
    const at = "2026-11-01T00:00:00Z";
    const journal = {
      ...{ state: "done", id: "1", reason: "scheduled", owner: "o", leaseUntil: at, attempt: 1, from: 1 },
      ...{ startedAt: at, since: at, skipped: [], history: [] },
      unrevoked: ["k1", { id: "k2", provider: "exchange", account: "7" }],
    };
    const vault = new Vault({ address: "https://127.0.0.1:1" });
    vault.read = async <T>() => ({ data: journal, metadata: { version: 3 } }) as T;
    const { journal: read } = await readJournal({ vault, model }, { journal: "rotation/it" });
    assert.deepEqual(read?.unrevoked, [{ id: "k1" }, { id: "k2", provider: "exchange", account: "7" }]);
  });
});
