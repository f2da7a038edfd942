import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { publishedSchema } from "../../model/schema/publish.ts";
import { organization, shop } from "./shop.ts";

const published = JSON.parse(readFileSync("catalogue/schema.json", "utf8")) as object;
const files = ["catalogue/organization.yaml", ...globSync("catalogue/systems/*.yaml").sort()];
const validate = new Ajv2020({ strict: false, logger: false }).compile(published);

suite("catalogue/schema.json", () => {
  test("is what the zod schema publishes (node model/schema/write.ts makes it)", () => {
    assert.deepEqual(published, JSON.parse(JSON.stringify(publishedSchema())));
  });
  for (const file of files) {
    test(`accepts ${file}`, () => {
      assert.deepEqual(validate(parse(readFileSync(file, "utf8"))) ? [] : validate.errors, []);
    });
    test(`is what an editor reads for ${file}`, () => {
      const schema = file === "catalogue/organization.yaml" ? "./schema.json" : "../schema.json";
      assert.equal(readFileSync(file, "utf8").split("\n")[0], `# yaml-language-server: $schema=${schema}`);
    });
  }
  test("refuses an unknown field of a system", () => {
    assert.equal(validate(parse(shop)), true);
    assert.equal(validate(parse(shop.replace("    consumers:\n", "    consumer:\n"))), false);
  });
  test("refuses a wrong duration", () => {
    assert.equal(validate(parse(shop.replace("ttl: 15m", "ttl: 3 weekz"))), false);
  });
  test("refuses a wrong address of an environment", () => {
    assert.equal(validate(parse(organization)), true);
    assert.equal(validate(parse(organization.replace("https://", "http://"))), false);
  });
  test("describes the rule for differences and the rule for renames", () => {
    const text = JSON.stringify(published);
    assert.ok(text.includes("Mappings merge, everything else replaces."));
    assert.ok(text.includes("a rename moves and loses nothing"));
  });
});
