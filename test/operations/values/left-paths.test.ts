import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import type { Model, Secret, Service } from "../../../model/model.ts";
import { ensureFirstValues } from "../../../operations/values/first.ts";
import { leftPaths } from "../../../operations/values/left-paths.ts";
import { startRotator, type TestVault } from "../vault.ts";

let server: TestVault;
let model: Model;
let vault: Vault;

before(async () => {
  ({ server, model, rotator: vault } = await startRotator());
  await ensureFirstValues(vault, model, () => {});
});
after(() => server?.stop());

const retired = { since: "2026-11-01", reason: "replaced", delete: false };

/** The catalogue without one consumer of titan/hmac. */
function without(consumer: string): Model {
  const secrets = model.secrets.map((secret) =>
    secret.id === "titan/hmac"
      ? { ...secret, consumers: secret.consumers.filter(({ id }) => id !== consumer) }
      : secret,
  );
  return { ...model, secrets };
}

const pathOf = (consumer: string) =>
  model.secrets.find(({ id }) => id === "titan/hmac")?.consumers.find(({ id }) => id === consumer)?.path ??
  assert.fail(`${consumer} does not read titan/hmac`);
const leftIn = (own: Model) => leftPaths({ vault, model: own });

suite("the path of a consumer that was taken out of a secret", () => {
  test("is named while it holds a value, and nothing else is", async () => {
    assert.deepEqual(await leftIn(model), []);
    const [own, path] = [without("titan/titan-sentinel"), pathOf("titan/titan-sentinel")];
    assert.deepEqual(await leftIn(own), [path]);
    await server.root.delete(`kv/metadata/${path}`);
    assert.deepEqual(await leftIn(own), []);
  });

  test("is not named while the secret, or the service, is retired and not to be deleted", async () => {
    const gone = (secret: Secret, remove: boolean): Secret => ({
      ...secret,
      consumers: [],
      retired: { ...retired, delete: remove },
    });
    const of = (remove: boolean): Model => ({
      ...model,
      secrets: model.secrets.map((secret) => (secret.id === "titan/hmac" ? gone(secret, remove) : secret)),
    });
    assert.deepEqual(await leftIn(of(false)), []);
    assert.ok((await leftIn(of(true))).includes(pathOf("titan/titan-brain")));
    const unread = without("titan/titan-brain");
    const services = unread.services.map(
      (service): Service => (service.id === "titan/titan-brain" ? { ...service, retired } : service),
    );
    assert.deepEqual(await leftIn({ ...unread, services }), []);
  });
});
