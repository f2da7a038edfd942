import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import type { Secret } from "../../../model/model.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { secretNamed, setValue } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { auditLog, openBench, type RotationBench } from "./bench.ts";
import { killEverywhere } from "./crash.ts";
import { IamServer } from "./iam-server.ts";
import { ProviderServer } from "./provider-server.ts";
import type { TargetData } from "./target-scenario.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** A secret of the real catalogue at paths of its own, with a first value. */
async function prepared(id: string, first: Fields, change: Partial<Secret>): Promise<TargetData> {
  const name = `key-${randomBytes(4).toString("hex")}`;
  const declared = secretNamed(bench.model, id);
  const secret: Secret = {
    ...declared,
    rotate: { ...declared.rotate, overlap: 0 },
    source: `source/${declared.system}/${name}`,
    journal: `rotation/${declared.system}/${name}`,
    evidence: `evidence/${declared.system}/${name}`,
    consumers: declared.consumers.map((one) => ({
      ...one,
      path: `services/${declared.system}/${one.name}/${name}`,
    })),
    ...change,
  };
  const secrets = [secret, ...bench.model.secrets.filter((one) => one.id !== id)];
  const model = { ...bench.model, secrets, rotation: { ...bench.model.rotation, watch: 0 } };
  await setValue({ vault: bench.vault, model, by: "keyplane.rotate" }, secret, first, () => {});
  const { ca, address } = bench.server;
  return { vault: { address, ca, token: bench.vault.token ?? "" }, model, secret };
}

/** What the source and each consumer's path hold. */
async function heldBy({ secret }: TargetData): Promise<Fields[]> {
  const { kv } = bench.model.vault.mounts;
  const paths = [secret.source, ...secret.consumers.map(({ path }) => path)];
  return Promise.all(paths.map(async (path) => (await readFields(bench.server.root, kv, path)) ?? {}));
}

const scenario = import.meta.resolve("./target-scenario.ts");
const rate = { requests: 1000, per: 1 };

test("kill -9 before and after every call of a provider's rotation, where two keys may live: another runner converges, no key is left over (R15)", async (t) => {
  const servers = new Map<string, ProviderServer>();
  t.after(() => Promise.all([...servers.values()].map((server) => server[Symbol.asyncDispose]())));
  const serverOf = ({ secret }: TargetData) => {
    const server = servers.get(secret.provider?.address ?? "");
    assert.ok(server);
    return server;
  };
  const values = new Set<string>();
  const { killed } = await killEverywhere<TargetData>(t, {
    scenario,
    async prepare() {
      const server = await ProviderServer.start({ fields: ["key", "secret"], quota: 2 });
      servers.set(server.address, server);
      const first = server.issue(["keys", "trade"]).values;
      const provider = { name: "exchange", api: true, address: server.address, rate };
      return prepared("trading-bot/exchange", first, { provider });
    },
    async held(data, at) {
      const live = serverOf(data)
        .live()
        .map(({ values: { key, secret } }) => `${key}:${secret}`);
      for (const { key, secret } of await heldBy(data)) assert.ok(live.includes(`${key}:${secret}`), at);
    },
    async converged(data, outcome, at) {
      assert.equal(outcome.state, "done", at);
      const [key] = serverOf(data).live();
      assert.equal(serverOf(data).live().length, 1, `${at}: keys are left over`);
      for (const { key: name, secret } of await heldBy(data)) {
        assert.deepEqual({ key: name, secret }, { key: key?.values.key, secret: key?.values.secret }, at);
      }
    },
    values(data) {
      for (const key of serverOf(data).keys) for (const value of Object.values(key.values)) values.add(value);
      return values;
    },
  });
  assert.ok(killed >= 6, `only ${killed} were killed`);
  const log = await auditLog(bench.server);
  for (const value of values) assert.ok(!log.includes(value));
});

test("kill -9 before and after every call of an access key's rotation, whose keys have no labels: another runner converges, no key is left over", async (t) => {
  await using iam = await IamServer.start();
  const admin = iam.issue("keyplane");
  await setValue(
    { vault: bench.vault, model: bench.model, by: "keyplane.rotate" },
    secretNamed(bench.model, "titan/binance"),
    { key: admin.id, secret: admin.secret },
    () => {},
  );
  const owned = ({ secret }: TargetData) => iam.keys.filter(({ user }) => user === secret.name);
  // The states without a call of its own are the same as above.
  const isWhole = process.env.KEYPLANE_SCALE === "prove";
  const { killed } = await killEverywhere<TargetData>(t, {
    scenario,
    only: ({ state }) => isWhole || ["generate", "stage", "revoke"].includes(state),
    async prepare() {
      const name = `user-${randomBytes(4).toString("hex")}`;
      const { id: user, secret: password } = iam.issue(name);
      const provider = { name: "aws", api: true, address: iam.address, credential: "titan/binance", rate };
      return prepared("solo/minio", { user, password }, { name, provider });
    },
    async held(data, at) {
      for (const { user, password } of await heldBy(data)) {
        assert.ok(
          owned(data).some(
            ({ id, secret, status }) => id === user && secret === password && status === "Active",
          ),
          at,
        );
      }
    },
    async converged(data, outcome, at) {
      assert.equal(outcome.state, "done", at);
      const [source] = await heldBy(data);
      assert.deepEqual(
        owned(data).map(({ id, secret }) => [id, secret]),
        [[source?.user, source?.password]],
        at,
      );
    },
    values: () => iam.keys.map(({ secret }) => secret),
  });
  assert.ok(killed >= 2, `only ${killed} were killed`);
});
