import assert from "node:assert/strict";
import { before, test } from "node:test";
import { platform } from "../../../infra/index.ts";
import { Provider } from "../../../local/providers/provider.ts";
import { vaultKinds } from "../../../local/providers/vault/index.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { type Declared, declared } from "../../infra/declared.ts";
import { smallModel } from "../../infra/model.ts";

const provider = new Provider(vaultKinds, () => {
  throw new Error("nothing here talks to Vault");
});
let resources: Declared[];

before(async () => {
  const catalogue = await loadCatalogue("catalogue");
  const models = [
    smallModel(),
    ...["local", "staging", "production"].map((environment) => derive(catalogue, environment)),
  ];
  resources = [];
  for (const model of models) {
    const bootstrapPasswords = Object.fromEntries(
      model.databases.map(({ connection }) => [connection, "first-password"]),
    );
    const declaration = await declared(() => platform(model, { part: "all", bootstrapPasswords }));
    resources.push(...declaration.resources.filter(({ type }) => type.startsWith("vault:")));
  }
});

test("serves everything that the program declares in every environment, property by property", () => {
  assert.ok(resources.length > 300);
  const failures = resources.flatMap(({ type, name, inputs }) =>
    provider.check(type, inputs).map((failure) => ({ type, name, ...failure })),
  );
  assert.deepEqual(failures, []);
});

test("serves nothing that the program does not declare", () => {
  const types = new Set(resources.map(({ type }) => type));
  assert.deepEqual(
    vaultKinds.map(({ type }) => type).filter((type) => !types.has(type)),
    [],
  );
});

for (const { type } of vaultKinds) {
  test(`names ${type} as the official SDK does`, async () => {
    const [, path = "", name = ""] = type.split(":");
    const file = path.replace(/^index\//, "").replace(/^[^/]+\//, (folder) => folder.toLowerCase());
    const module = (await import(`@pulumi/vault/${file}.js`)) as Record<string, { __pulumiType?: string }>;
    assert.equal(module[name]?.__pulumiType, type);
  });
}
