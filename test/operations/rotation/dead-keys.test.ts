import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Secret } from "../../../model/model.ts";
import { abortRotation, type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import { provider } from "../../../operations/rotation/rotators/provider.ts";
import { s3 } from "../../../operations/rotation/rotators/s3.ts";
import { secretNamed, setValue } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { BybitServer } from "./bybit-server.ts";
import { IamServer } from "./iam-server.ts";
import { quick } from "./quick.ts";

// Keys that only another credential can list, beside which they lived: dead, they do not say so any more.

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** Keys of one account, and what happens to them at the provider's own console. */
interface Keys extends AsyncDisposable {
  address: string;
  admin: Fields;
  issue(): Fields;
  /** Ids of those that live. */
  live(): (string | undefined)[];
  /** Deletes one of them, the first being the oldest. */
  lose(index: number): void;
}

async function bybitKeys(): Promise<Keys> {
  const server = await BybitServer.start();
  const fieldsOf = ({ apiKey: key, secret }: (typeof server.keys)[number]) => ({ key, secret });
  const mine = () => server.keys.filter(({ userID }) => userID !== 1);
  return {
    address: server.address,
    admin: fieldsOf(server.issue({ userID: 1 })),
    issue: () => fieldsOf(server.issue()),
    live: () => mine().map(({ apiKey }) => apiKey),
    lose: (index) => void server.keys.splice(1 + index, 1),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function iamKeys(): Promise<Keys> {
  const server = await IamServer.start();
  // The rotation's own questions are uses, which the one after it waits for to be a quarter of an hour old.
  server.usedEarlier = 20 * 60_000;
  const admin = server.issue("keyplane");
  return {
    address: server.address,
    admin: { key: admin.id, secret: admin.secret },
    issue() {
      const { id: user, secret: password } = server.issue("solo");
      return { user, password };
    },
    live: () => server.keys.filter(({ user }) => user === "solo").map(({ id }) => id),
    lose: (index) => void server.keys.splice(1 + index, 1),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

let count = 0;

/** A secret of its own with one key in force, and what rotates it at once. */
async function begun(
  keys: Keys,
  id: string,
  rotator: RotateOptions["rotator"],
  target: Pick<NonNullable<Secret["provider"]>, "name" | "adapter">,
) {
  const { vault, model } = bench;
  const { kv } = model.vault.mounts;
  const first = keys.issue();
  const place = `dead-${++count}`;
  const secret: Secret = {
    ...secretNamed(model, id),
    idle: { source: "none" },
    rotate: { by: "machine", overlap: 0, onCompromise: true },
    provider: {
      ...{ api: true, address: keys.address, credential: "titan/binance" },
      ...{ rate: { requests: 1000, per: 1 }, ...target },
    },
    source: `source/${place}/it`,
    journal: `rotation/${place}/it`,
    consumers: [],
  };
  const { root } = bench.server;
  await root.write(`${kv}/data/${secretNamed(model, "titan/binance").source}`, { data: keys.admin });
  await root.write(`${kv}/data/${secret.source}`, { data: first });
  const none = async (): Promise<never> => assert.fail("no database is reached");
  const options: RotateOptions = {
    ...{ vault, model: { ...model, rotation: { ...model.rotation, watch: 0 } }, secret, rotator },
    ...{ reach: { fetch, manage: none, login: none }, sinks: () => [], probes: () => [] },
    ...{ reason: "scheduled", by: "test", report: () => {}, wait: false },
    ...quick,
  };
  const set = (values: Fields) => setValue({ ...bench, by: "gus" }, secret, values, () => {});
  return { options, set };
}

for (const [what, open, id, rotator, target] of [
  ["Bybit", bybitKeys, "titan/bybit", provider, { name: "bybit", adapter: "bybit" as const }],
  ["IAM", iamKeys, "solo/minio", s3, { name: "aws" }],
] as const) {
  suite(`a key of ${what} that somebody deleted, or that expired`, () => {
    for (const isMachineMade of [false, true]) {
      const made = isMachineMade ? "that a rotation has made" : "that a person has made";
      test(`in force and ${made}: the advice that the rotation gives is taken, and the next one rotates what was given (R15)`, async () => {
        await using keys = await open();
        const { options, set } = await begun(keys, id, rotator, target);
        if (isMachineMade) assert.equal((await rotate(options)).state, "done");
        keys.lose(0);
        const stuck = await rotate({ ...options, reason: "compromise" }).catch((error: Error) => error);
        assert.match(
          stuck instanceof Error ? stuck.message : (stuck.waiting ?? ""),
          /the provider refuses the key that is in force.*rotations abort .*keyplane set/,
        );
        const back = await abortRotation({ ...options, why: "asked" });
        assert.equal(back.state, "rolled-back", back.waiting);
        await set(keys.issue());
        const end = await rotate(options);
        assert.equal(end.state, "done", end.waiting);
        assert.equal(keys.live().length, 1);
      });
    }

    test("together with the one that was to replace it: the rotation ends with a finding, and a value can be set (R15)", async () => {
      await using keys = await open();
      const { options, set } = await begun(keys, id, rotator, target);
      let isAway = true;
      const cut: typeof fetch = async (input, init) =>
        isAway && /delete-sub-api|Action=UpdateAccessKey/.test(`${input} ${init?.body}`)
          ? new Response("", { status: 500 })
          : fetch(input, init);
      const away = { ...options, reach: { ...options.reach, fetch: cut } };
      assert.equal((await rotate(away)).state, "revoke");
      isAway = false;
      for (const _ of keys.live()) keys.lose(0);
      const end = await rotate(away);
      assert.equal(end.state, "done", end.waiting);
      assert.match(
        end.keptRefused ?? "",
        new RegExp(
          `^${target.name} refuses the new value and the old one, and nobody has one that works: give one with \`keyplane set ${id}\``,
        ),
      );
      await set(keys.issue());
      const healed = await rotate(options);
      assert.deepEqual([healed.state, healed.keptRefused], ["done", undefined], healed.waiting);
      assert.equal(keys.live().length, 1);
    });

    test("that everybody has by now, while the old one is let in: everybody gets that back (R15)", async () => {
      await using keys = await open();
      const { options } = await begun(keys, id, rotator, target);
      const secret = { ...options.secret, rotate: { ...options.secret.rotate, overlap: 3600 } };
      const [first] = keys.live();
      assert.equal((await rotate({ ...options, secret })).state, "drain");
      keys.lose(1);
      const back = await rotate(options);
      assert.equal(back.state, "rolled-back", back.waiting);
      assert.match(back.failure ?? "", /refuses the new value and accepts the old one/);
      assert.deepEqual(keys.live(), [first]);
      assert.equal((await rotate(options)).state, "done");
    });

    test("and that everybody had back: the way back ends with a finding all the same (R15)", async () => {
      await using keys = await open();
      const { options } = await begun(keys, id, rotator, target);
      const secret = { ...options.secret, rotate: { ...options.secret.rotate, overlap: 3600 } };
      assert.equal((await rotate({ ...options, secret })).state, "drain");
      keys.lose(0);
      const back = await abortRotation({ ...options, why: "asked" });
      assert.equal(back.state, "rolled-back", back.waiting);
      assert.match(back.keptRefused ?? "", /refuses the old value.*keyplane set/);
      assert.deepEqual(keys.live(), []);
    });
  });
}
