import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import type { Model, Secret, Service } from "../../../model/model.ts";
import { ensureFirstValues } from "../../../operations/values/first.ts";
import { readFields, stateOf } from "../../../operations/values/kv.ts";
import { destroyLeft, leftPaths } from "../../../operations/values/left-paths.ts";
import { dies, startRotator, type TestVault } from "../vault.ts";

let server: TestVault;
let model: Model;
let vault: Vault;

before(async () => {
  ({ server, model, rotator: vault } = await startRotator());
  await ensureFirstValues(vault, model, () => {});
});
after(() => server?.stop());

const day = 86_400_000;
const start = new Date("2026-11-01T10:00:00Z");
const later = (time: number) => new Date(start.getTime() + time);
const retired = { since: "2026-11-01", reason: "replaced", delete: false };

/** The catalogue without one consumer of a secret. */
function without(consumer: string, of = "titan/hmac"): Model {
  const secrets = model.secrets.map((secret) =>
    secret.id === of
      ? { ...secret, consumers: secret.consumers.filter(({ id }) => id !== consumer) }
      : secret,
  );
  return { ...model, secrets };
}

const pathOf = (consumer: string, of = "titan/hmac") =>
  model.secrets.find(({ id }) => id === of)?.consumers.find(({ id }) => id === consumer)?.path ??
  assert.fail(`${consumer} does not read ${of}`);
const value = (path: string) => readFields(server.root, "kv", path);
const writer = (own: Model, client = vault) => ({ vault: client, model: own, by: "keyplane.rotate" });
const pathsOf = (found: { path: string }[]) => found.map(({ path }) => path);

suite("the path of a consumer that was taken out of a secret", () => {
  test("is named at once, keeps its value for a day, and is then destroyed; nobody else's is touched", async () => {
    const [own, path] = [without("titan/titan-sentinel"), pathOf("titan/titan-sentinel")];
    assert.deepEqual(await leftPaths(writer(model), start), []);
    const first = await destroyLeft(writer(own), start);
    assert.deepEqual(
      first.map((left) => [left.path, left.until.toISOString(), left.isDestroyed]),
      [[path, later(day).toISOString(), false]],
    );
    assert.ok(await value(path));
    await destroyLeft(writer(own), later(day - 1000));
    assert.ok(await value(path));
    assert.deepEqual(pathsOf(await leftPaths(writer(own), later(day))), [path]);
    assert.ok(await value(path), "a dry run destroys nothing");
    const end = await destroyLeft(writer(own), later(day));
    assert.deepEqual(
      end.map(({ isDestroyed }) => isDestroyed),
      [true],
    );
    assert.equal(await value(path), undefined);
    assert.ok(await value(pathOf("titan/titan-brain")));
    assert.deepEqual(await destroyLeft(writer(own), later(2 * day)), []);
  });

  test("is given its value again where the catalogue has the consumer again", async () => {
    const [own, path] = [without("soma/gateway", "soma/redis"), pathOf("soma/gateway", "soma/redis")];
    const before = await value(path);
    await destroyLeft(writer(own), start);
    await destroyLeft(writer(own), later(day));
    assert.equal((await stateOf(vault, "kv", path)).gone, true);
    const { delivered } = await ensureFirstValues(vault, model, () => {});
    assert.ok(delivered.includes("soma/redis"));
    assert.deepEqual(await value(path), before);
  });

  test("stays where the catalogue has the consumer again before the day is over, whatever a run of before had noted", async () => {
    const [own, path] = [without("titan/titan-brain"), pathOf("titan/titan-brain")];
    await destroyLeft(writer(own), start);
    await destroyLeft(writer(model), later(day / 2));
    const [left] = await destroyLeft(writer(own), later(day));
    assert.deepEqual([left?.path, left?.isDestroyed], [path, false]);
    await destroyLeft(writer(model), later(day));
    assert.ok(await value(path));
  });

  test("stays with its value while the secret, or the service, is retired and not to be deleted", async () => {
    const gone = (secret: Secret, remove: boolean): Secret => ({
      ...secret,
      consumers: [],
      retired: { ...retired, delete: remove },
    });
    const of = (remove: boolean): Model => ({
      ...model,
      secrets: model.secrets.map((secret) => (secret.id === "titan/hmac" ? gone(secret, remove) : secret)),
    });
    assert.deepEqual(await leftPaths(writer(of(false)), start), []);
    assert.ok(pathsOf(await leftPaths(writer(of(true)), start)).includes(pathOf("titan/titan-brain")));
    const unread = without("titan/titan-brain");
    const services = unread.services.map(
      (service): Service => (service.id === "titan/titan-brain" ? { ...service, retired } : service),
    );
    assert.deepEqual(await leftPaths(writer({ ...unread, services }), start), []);
  });

  test("is destroyed in the end wherever a runner is killed", async () => {
    const path = pathOf("titan/titan-execution-rs");
    const own = without("titan/titan-execution-rs");
    for (let call = 0; call < 60; call++) {
      for (const when of ["before", "after"] as const) {
        await destroyLeft(writer(own, dies(vault, call, when)), start).catch(() => {});
        await destroyLeft(writer(own, dies(vault, call, when)), later(day)).catch(() => {});
      }
    }
    await destroyLeft(writer(own), later(day));
    assert.equal(await value(path), undefined);
  });
});
