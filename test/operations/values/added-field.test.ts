import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import type { Step } from "../../../operations/progress.ts";
import { writeSource } from "../../../operations/values/deliver.ts";
import { ensureFirstValues } from "../../../operations/values/first.ts";
import { setValue } from "../../../operations/values/set.ts";
import { startRotator, type TestVault } from "../vault.ts";

let server: TestVault;
let model: Model;
let vault: Vault;
before(async () => {
  ({ server, model, rotator: vault } = await startRotator());
});
after(() => server?.stop());

test("a field that a consumer reads and nobody has given is asked for, and holds up no other secret", async () => {
  const secrets = model.secrets.filter(({ id }) => id === "titan/binance" || id === "titan/hmac");
  const [before, other] = secrets;
  assert.ok(before && other);
  const given = Object.fromEntries(before.fields.map((field) => [field, "Kq7vXw2ZrT9bLm4NcH8sYd3FgJ6pAe1U"]));
  const writer = { vault, model, by: "keyplane.rotate" };
  await writeSource(writer, before, { fields: given, after: 0 });
  await ensureFirstValues(vault, { ...model, secrets: [before] }, () => {});
  const secret: Secret = {
    ...before,
    fields: [...before.fields, "region"],
    consumers: before.consumers.map((one) => ({ ...one, as: { ...one.as, BINANCE_REGION: "region" } })),
  };
  const now: Model = { ...model, secrets: [secret, other] };
  const steps: Step[] = [];
  const result = await ensureFirstValues(vault, now, (step) => steps.push(step));
  assert.deepEqual([result.unset, result.made], [["titan/binance"], ["titan/hmac"]]);
  const said = steps.filter(({ subject }) => subject === "titan/binance");
  assert.deepEqual(
    said.map(({ state, text }) => [state, text]),
    [["failed", "titan/binance has no field region: give it with `keyplane set titan/binance`"]],
  );
  // What it advises heals it.
  await setValue({ ...writer, model: now }, secret, { region: "north-of-the-river" }, () => {});
  const healed = await ensureFirstValues(vault, now, () => {});
  assert.deepEqual([healed.unset, healed.delivered], [[], []]);
});
