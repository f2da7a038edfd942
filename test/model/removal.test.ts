import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { loadCatalogueFrom } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Model } from "../../model/model.ts";
import { realFiles } from "./real.ts";
import { organization, shop } from "./shop.ts";

function model(text: string, environment = "local"): Model {
  return derive(
    loadCatalogueFrom({ "organization.yaml": organization, "systems/shop.yaml": text }),
    environment,
  );
}

const before = model(shop);
const retired = "retired: { since: 2026-11-01, reason: Not used any more }";

const proxy = "        secrets-manager: { read-by: [titan-rds-proxy] }\n";

/** What production has in AWS by a changed titan. */
function production(change: (titan: string) => string) {
  const files = realFiles();
  const titan = files["systems/titan.yaml"] ?? "";
  assert.notEqual(change(titan), titan);
  const { aws } = derive(loadCatalogueFrom({ ...files, "systems/titan.yaml": change(titan) }), "production");
  assert.ok(aws);
  return aws;
}

/** Everything that data lives under. */
function places({ secrets, databases, encryptionKeys }: Model): string[] {
  return [
    ...secrets.flatMap(({ source, journal, evidence }) => [source, journal, evidence]),
    ...databases.flatMap(({ connection, database, manager }) => [connection, database, manager]),
    ...encryptionKeys.flatMap(({ key, journal, evidence }) => [key, journal, evidence]),
  ].sort();
}

suite("a retired entry loses its readers and keeps its data", () => {
  test("a secret keeps its source; no policy reaches it for a consumer", () => {
    const after = model(
      shop
        .replace("    kind: hmac\n", `    kind: hmac\n    ${retired}\n`)
        .replace("reads: [signing]", "reads: []"),
    );
    assert.deepEqual(places(after), places(before));
    const secret = after.secrets.find(({ id }) => id === "shop/signing");
    assert.deepEqual(secret?.retired, { since: "2026-11-01", reason: "Not used any more", delete: false });
    assert.deepEqual(secret?.consumers, []);
    const text = JSON.stringify(after.policies.filter(({ of }) => of.kind === "service" || of.kind === "ci"));
    assert.equal(text.includes("signing"), false);
  });
  test("a database keeps its connection; its users and passwords reach nobody", () => {
    const after = model(shop.replace("    engine: postgres\n", `    engine: postgres\n    ${retired}\n`));
    assert.deepEqual(places(after), places(before));
    assert.deepEqual(after.databases[0]?.users, []);
    assert.equal(after.databases[0]?.retired?.delete, false);
    assert.equal(after.secrets.find(({ id }) => id === "shop/orders-api")?.retired?.delete, false);
    assert.deepEqual(after.secrets.find(({ id }) => id === "shop/orders-api")?.consumers, []);
  });
  test("an encryption key keeps its name; nobody uses it any more", () => {
    const after = model(shop.replace("    retain: 30d\n", `    retain: 30d\n    ${retired}\n`));
    assert.deepEqual(places(after), places(before));
    assert.deepEqual(after.encryptionKeys[0]?.consumers, []);
    assert.equal(
      JSON.stringify(after.policies.filter(({ of }) => of.kind === "service")).includes("transit/"),
      false,
    );
  });
  test("a service loses its role and every right", () => {
    const after = model(shop.replace("    reload: watch\n", `    reload: watch\n    ${retired}\n`));
    assert.deepEqual(places(after), places(before));
    assert.deepEqual(after.policies.find(({ name }) => name === "shop.worker")?.rules, []);
    assert.deepEqual(
      after.appRoles.map(({ name }) => name),
      ["shop.api"],
    );
    assert.deepEqual(after.databases[0]?.users, []);
  });
  test("a system loses every role and right, and no data", () => {
    const after = model(`${retired}\n${shop}`);
    assert.deepEqual(places(after), places(before));
    assert.deepEqual([after.appRoles, after.ciJobs], [[], []]);
    assert.deepEqual(
      after.policies.filter(({ of }) => of.kind === "service").flatMap(({ rules }) => rules),
      [],
    );
    assert.deepEqual(
      after.jwtRoles.map(({ of }) => of.kind),
      ["platform", "platform", "platform", "platform"],
    );
  });
  for (const [what, mark] of [
    ["database user", (text: string) => text.replace(proxy, `${proxy}        ${retired}\n`)],
    [
      "database",
      (text: string) => text.replace("    engine: postgres\n", `    engine: postgres\n    ${retired}\n`),
    ],
    ["system", (text: string) => `${retired}\n${text}`],
  ] as const) {
    test(`a retired ${what} keeps its place in Secrets Manager; nobody reads it, and no function rotates it`, () => {
      const aws = production(mark);
      assert.deepEqual(
        aws.secrets.map(({ name, readers, retired }) => ({ name, readers, isKept: retired?.delete })),
        [{ name: "keyplane/production/titan/ledger/titan-proxy", readers: [], isKept: false }],
      );
      assert.deepEqual(
        aws.functions.map(({ name }) => name),
        ["keyplane-production-rotate-due"],
      );
      const documents = JSON.stringify([aws.keys, aws.roles]);
      assert.deepEqual(
        [documents.includes("titan-rds-proxy"), documents.includes("titan-proxy")],
        [false, false],
      );
      // What the function did is still read by those who read its log.
      assert.ok(documents.includes("/aws/lambda/keyplane-production-rotate-postgres-titan-ledger:"));
    });
  }
  test("only a later, explicit change lets the data go", () => {
    const text = shop.replace(
      "    retain: 30d\n",
      `    retain: 30d\n    ${retired.replace(" }", ", delete: true }")}\n`,
    );
    assert.equal(model(text).encryptionKeys[0]?.retired?.delete, true);
  });
});

suite("a renamed entry moves no data", () => {
  const renames: [string, string][] = [
    [
      "a secret",
      shop
        .replaceAll("signing", "signature")
        .replace("  signature:\n", "  signature:\n    renamed-from: signing\n"),
    ],
    ["a database", shop.replace("  orders:\n", "  purchases:\n    renamed-from: orders\n")],
    ["an encryption key", shop.replace("  documents:\n", "  papers:\n    renamed-from: documents\n")],
    [
      "a database user",
      shop.replace("      worker: { member-of", "      worker: { renamed-from: workman, member-of"),
    ],
    ["the system", shop.replace("system: shop\n", "system: store\nrenamed-from: shop\n")],
  ];
  for (const [what, text] of renames) {
    test(`${what} keeps every place that data lives under`, () => {
      const files = {
        "organization.yaml": organization.replace("operates: [shop]", "audits: true"),
        "systems/shop.yaml": text,
      };
      assert.deepEqual(places(derive(loadCatalogueFrom(files), "local")), places(before));
    });
  }
  test("a service keeps its path, its policy and its role", () => {
    const text = shop
      .replaceAll(/\bworker: \{ role/g, "runner: { role")
      .replace("  worker:\n", "  runner:\n    renamed-from: worker\n")
      .replace("      worker: { member-of", "      runner: { renamed-from: worker, member-of");
    const after = model(text);
    const consumer = after.secrets
      .find(({ id }) => id === "shop/signing")
      ?.consumers.find(({ name }) => name === "runner");
    assert.equal(consumer?.path, "services/shop/worker/signing");
    assert.deepEqual(
      after.policies.map(({ name }) => name),
      before.policies.map(({ name }) => name),
    );
    assert.deepEqual(
      after.appRoles.map(({ name }) => name),
      before.appRoles.map(({ name }) => name),
    );
    assert.deepEqual(after.databases[0]?.users[0]?.role, "shop.orders.worker");
  });
  test("the id in the catalogue is the new name", () => {
    const text = shop
      .replaceAll("signing", "signature")
      .replace("  signature:\n", "  signature:\n    renamed-from: signing\n");
    const secret = model(text).secrets.find(({ id }) => id === "shop/signature");
    assert.equal(secret?.source, "source/shop/signing");
    assert.deepEqual(
      secret?.consumers.map(({ path }) => path),
      ["services/shop/api/signing", "ci/shop/deploy/signing", "services/shop/worker/signing"],
    );
  });
});
