import assert from "node:assert/strict";
import { test } from "node:test";
import { loadCatalogueFrom } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { shippings } from "../../../model/shipping.ts";
import { realFiles } from "../real.ts";

const kept = "        secrets-manager: { read-by: [titan-rds-proxy] }\n";

/** Production, with so many more users of the ledger that Secrets Manager keeps. */
function withUsers(count: number) {
  const files = realFiles();
  const titan = files["systems/titan.yaml"] ?? "";
  assert.equal(titan.split(kept).length, 2);
  const users = Array.from(
    { length: count },
    (_, index) =>
      `      relay-${index}:\n        member-of: ledger_reader\n        rotate: { every: 30d, overlap: 1h, method: alternating }\n${kept}`,
  );
  const text = titan.replace(kept, kept + users.join(""));
  const model = derive(loadCatalogueFrom({ ...files, "systems/titan.yaml": text }), "production");
  const rotator = model.aws?.functions.find(({ code }) => code === "rotate-postgres");
  assert.ok(rotator);
  return { variables: rotator.variables, users: shippings(model)["rotate-postgres"].model.databases };
}

test("a function's variables are the same however many users it rotates; each stands beside its code", () => {
  const [one, many] = [withUsers(0), withUsers(60)];
  assert.deepEqual(many.variables, one.variables);
  assert.ok(JSON.stringify(many.variables).length < 1024);
  const names = ({ users }: typeof one) => Object.keys(users["titan/ledger"]?.users ?? {});
  assert.equal(names(one).length, 1);
  assert.equal(names(many).length, 61);
  assert.ok(names(many).includes("keyplane/production/titan/ledger/relay-59"));
});

/** How many runs are reserved for each code, where production says so of `concurrency`. */
function reservations(said: string) {
  const files = realFiles();
  const organization = files["organization.yaml"] ?? "";
  const account = /\n( +)account: "?222222222222"?\n/;
  assert.match(organization, account);
  const text = organization.replace(
    account,
    (line, indent) => `${line}${said === "" ? "" : `${indent}concurrency: ${said}\n`}`,
  );
  const { aws } = derive(loadCatalogueFrom({ ...files, "organization.yaml": text }), "production");
  return Object.fromEntries(aws?.functions.map(({ code, concurrency }) => [code, concurrency]) ?? []);
}

test("one run of the runner is reserved, and none of the functions whose rotations may coincide", () => {
  assert.deepEqual(reservations(""), { "rotate-due": 1, "rotate-postgres": undefined });
  assert.deepEqual(reservations("none"), { "rotate-due": undefined, "rotate-postgres": undefined });
  assert.deepEqual(reservations("3"), { "rotate-due": 3, "rotate-postgres": 3 });
});
