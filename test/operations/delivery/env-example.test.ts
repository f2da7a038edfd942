import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "dotenv";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { originsOf } from "../../../operations/delivery/bundle.ts";
import { envExample } from "../../../operations/delivery/env-example.ts";
import { inEnvExample } from "../../../operations/scan/checks/env-example.ts";
import { codes } from "../scan/plant.ts";

const model = derive(await loadCatalogue("catalogue"), "production");

for (const { id, retired } of model.services) {
  if (retired !== undefined) continue;
  test(`the example of ${id} has every variable, placeholders for its secrets, and passes the scan (R63)`, () => {
    const text = envExample(model, id);
    const variables = parse(text);
    assert.deepEqual(
      Object.keys(variables).sort(),
      originsOf(model, id).map(({ variable }) => variable),
    );
    const secret = new Set(
      model.secrets.flatMap(({ consumers }) =>
        consumers.filter((consumer) => consumer.id === id).flatMap((consumer) => Object.keys(consumer.as)),
      ),
    );
    for (const name of secret) assert.match(variables[name] ?? "", /^<.+ of [a-z0-9-]+\/[a-z0-9_-]+>$/);
    assert.deepEqual([inEnvExample(".env.example", text), codes(text)], [[], []]);
  });
}

test("a service that the catalogue does not have is refused, with those that it has", () => {
  assert.throws(() => envExample(model, "solo/apo"), {
    name: "DeliveryError",
    message: /it has .*solo\/api/,
  });
});
