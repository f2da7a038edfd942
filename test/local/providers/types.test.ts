import assert from "node:assert/strict";
import { before, test } from "node:test";
import { platform } from "../../../infra/index.ts";
import { lambdaCode } from "../../../infra/lambda-code.ts";
import { awsKinds } from "../../../local/providers/aws/index.ts";
import { Provider } from "../../../local/providers/provider.ts";
import { vaultKinds } from "../../../local/providers/vault/index.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { type Declared, declared } from "../../infra/declared.ts";
import { smallModel } from "../../infra/model.ts";

const aws = { account: "000000000000", region: "eu-west-1", emulator: "http://127.0.0.1:4566" };
const nobody = () => {
  throw new Error("nothing here talks to a server");
};
const served = {
  vault: new Provider(vaultKinds, nobody),
  aws: new Provider(awsKinds, nobody),
};
let resources: Declared[];

before(async () => {
  const catalogue = await loadCatalogue("catalogue");
  const models = [
    smallModel(),
    derive(catalogue, "local", { aws }),
    ...["staging", "production"].map((environment) => derive(catalogue, environment)),
  ];
  resources = [];
  for (const model of models) {
    const bootstrapPasswords = Object.fromEntries(
      model.databases.map(({ connection }) => [connection, "first-password"]),
    );
    const options = { part: "all", bootstrapPasswords, lambdaCode: lambdaCode("lambdas") };
    const declaration = await declared(() => platform(model, options));
    resources.push(...declaration.resources.filter(({ type }) => /^(vault|aws):/.test(type)));
  }
});

for (const [system, provider] of Object.entries(served)) {
  test(`serves everything of ${system} that the program declares, property by property`, () => {
    const own = resources.filter(({ type }) => type.startsWith(`${system}:`));
    assert.ok(own.length > 70);
    const failures = own.flatMap(({ type, name, inputs }) =>
      provider.check(type, inputs).map((failure) => ({ type, name, ...failure })),
    );
    assert.deepEqual(failures, []);
  });
}

test("serves nothing that the program does not declare", () => {
  const types = new Set(resources.map(({ type }) => type));
  assert.deepEqual(
    [...vaultKinds, ...awsKinds].map(({ type }) => type).filter((type) => !types.has(type)),
    [],
  );
});

for (const { type } of [...vaultKinds, ...awsKinds]) {
  test(`names ${type} as the official SDK does`, async () => {
    const [system = "", path = "", name = ""] = type.split(":");
    const file = path.replace(/^index\//, "").replace(/^[^/]+\//, (folder) => folder.toLowerCase());
    const module = (await import(`@pulumi/${system}/${file}.js`)) as Record<
      string,
      { __pulumiType?: string }
    >;
    assert.equal(module[name]?.__pulumiType, type);
  });
}
