import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { sopsConfig } from "../../../operations/sops/config.ts";
import { checkSopsConfig, writeBootstrap, writeSopsConfig } from "../../../operations/sops/files.ts";
import { type Keys, makeKeys } from "./age.ts";

let keys: Keys;
before(async () => {
  keys = await makeKeys();
});
after(() => keys.remove());

const ada = { person: "ada", age: "age1ada" };
const ben = { person: "ben", age: "age1ben" };

test("each environment has a rule with its recipients by name (R4)", () => {
  assert.equal(
    sopsConfig([
      { environment: "local", recipients: [ada, ben] },
      { environment: "eu_west-1", recipients: [ada] },
    ]),
    [
      "# Made from the catalogue's people by `keyplane sops config`; do not edit.",
      "creation_rules:",
      "  - path_regex: ^bootstrap/local\\.enc\\.yaml$",
      "    age:",
      "      - age1ada # ada",
      "      - age1ben # ben",
      "  - path_regex: ^bootstrap/eu_west-1\\.enc\\.yaml$",
      "    age:",
      "      - age1ada # ada",
      "",
    ].join("\n"),
  );
});

test("an environment without recipients has no rule, so that sops refuses to encrypt for nobody", () => {
  assert.deepEqual(parse(sopsConfig([{ environment: "local", recipients: [] }])), { creation_rules: [] });
});

test("it is written once and then stays as it is", async () => {
  assert.equal(await writeSopsConfig(keys.root, keys.models), true);
  assert.equal(await writeSopsConfig(keys.root, keys.models), false);
  assert.deepEqual(await checkSopsConfig(keys.root, keys.models), []);
});

test("a difference is told with the line where it starts", async () => {
  await writeSopsConfig(keys.root, keys.models);
  const path = join(keys.root, ".sops.yaml");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(keys.ben, keys.stranger));
  const line = text.split("\n").findIndex((one) => one.includes(keys.ben)) + 1;
  assert.deepEqual(await checkSopsConfig(keys.root, keys.models), [
    {
      file: path,
      line,
      column: 1,
      message: "is not what the catalogue's people make of it: run `keyplane sops config`",
    },
  ]);
});

test("a line too many is a difference", async () => {
  await writeSopsConfig(keys.root, keys.models);
  const path = join(keys.root, ".sops.yaml");
  await writeFile(path, `${await readFile(path, "utf8")}stores: {}\n`);
  assert.equal((await checkSopsConfig(keys.root, keys.models)).length, 1);
});

test("someone who left the catalogue is no recipient any more", async () => {
  const left = keys.models.map((model) => ({ ...model, recipients: model.recipients.slice(0, 1) }));
  await writeSopsConfig(keys.root, left);
  assert.ok(!(await readFile(join(keys.root, ".sops.yaml"), "utf8")).includes(keys.ben));
});

test("the real sops takes the rule of the environment and no other", async () => {
  const models = keys.models.map((model) =>
    model.environment === "staging" ? { ...model, recipients: model.recipients.slice(1) } : model,
  );
  await writeSopsConfig(keys.root, models);
  for (const model of models) await writeBootstrap(keys.root, models, model, keys.sops);
  const holders = async (environment: string) => {
    const text = await readFile(join(keys.root, `bootstrap/${environment}.enc.yaml`), "utf8");
    return (parse(text).sops.age as { recipient: string }[]).map(({ recipient }) => recipient);
  };
  assert.deepEqual(await holders("staging"), [keys.ben]);
  assert.deepEqual(await holders("production"), [keys.ada, keys.ben]);
});
