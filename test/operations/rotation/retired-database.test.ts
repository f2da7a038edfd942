import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import { loadCatalogueFrom } from "../../../model/catalogue.ts";
import { rotationLogins } from "../../../model/derive/databases.ts";
import { derive } from "../../../model/derive.ts";
import type { Database, Model } from "../../../model/model.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import { PersonNeededError } from "../../../operations/rotation/rotator.ts";
import { organization, shop } from "../../model/shop.ts";

const mark = (more = "") => `retired: { since: 2026-11-01, reason: Not used any more${more} }`;

/** The shop with its database, or all of it, retired. */
const changes: [string, (more?: string) => string][] = [
  ["database", (more) => shop.replace("    engine: postgres\n", `    engine: postgres\n    ${mark(more)}\n`)],
  ["system", (more) => `${mark(more)}\n${shop}`],
];

function retired(text: string): { model: Model; database: Database } {
  const files = { "organization.yaml": organization, "systems/shop.yaml": text };
  const model = derive(loadCatalogueFrom(files), "local");
  const [database] = model.databases;
  assert.ok(database);
  return { model, database };
}

for (const [what, text] of changes) {
  suite(`a rotation that is under way in a retired ${what} (R12, R31)`, () => {
    test("has its login until the data may go, so that it ends or goes back; consumers have none", () => {
      const { model, database } = retired(text());
      const [login] = rotationLogins(database);
      assert.equal(login?.role, database.rotation.role);
      const engine = model.policies.find(({ name }) => name === "keyplane.rotate")?.rules ?? [];
      const creds = `database/creds/${database.rotation.role}`;
      assert.deepEqual(engine.find(({ path }) => path === creds)?.capabilities, ["read"]);
      assert.ok(engine.some(({ path }) => path === `sys/leases/revoke/${creds}/+`));
      assert.deepEqual(database.users, []);
      const others = model.policies.filter(({ name }) => name !== "keyplane.rotate");
      assert.equal(JSON.stringify(others).includes(creds), false);
    });

    test("waits for a person where the data may go already, who is told what to take back", async () => {
      const { model, database } = retired(text(", delete: true"));
      assert.deepEqual(rotationLogins(database), []);
      const vault = { request: () => assert.fail("Vault has no such role") } as unknown as Vault;
      await assert.rejects(
        databaseReach({ vault, model }).manage(database),
        (error) =>
          error instanceof PersonNeededError &&
          error.message ===
            "shop/orders is retired with `delete: true`, so that rotation has no login there: take `delete: true` back, run " +
              "keyplane up, and delete it once this rotation has ended",
      );
    });
  });
}
