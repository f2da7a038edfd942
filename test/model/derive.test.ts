import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { suite, test } from "node:test";
import fc from "fast-check";
import { isMap, parseDocument, visit } from "yaml";
import { loadCatalogue, loadCatalogueFrom } from "../../model/catalogue.ts";
import { partOf } from "../../model/derive/systems.ts";
import { derive } from "../../model/derive.ts";
import type { Model } from "../../model/model.ts";
import { realFiles } from "./real.ts";
import { organization, shop } from "./shop.ts";

const catalogue = await loadCatalogue("catalogue");

suite("the model is plain, ordered and stable", () => {
  test("the five systems in production are as the snapshot says (KEYPLANE_UPDATE=1 writes it)", () => {
    const model = derive(catalogue, "production");
    // The platform's own policies are tried on a real Vault, and change with it.
    const shown = { ...model, policies: model.policies.filter(({ of }) => of.kind !== "platform") };
    const text = `${JSON.stringify(shown, null, 1)}\n`;
    const file = "test/model/production.snapshot";
    if (process.env.KEYPLANE_UPDATE === "1") writeFileSync(file, text);
    assert.deepEqual(JSON.parse(text), JSON.parse(readFileSync(file, "utf8")));
  });
  test("every list is ordered by id or name", () => {
    for (const environment of catalogue.systems.keys()) {
      const model = derive(catalogue, environment);
      for (const [list, items] of Object.entries(model)) {
        if (!Array.isArray(items) || typeof items[0] !== "object") continue;
        const keys = items.map((item: { id?: string; name?: string; person?: string; system?: string }) =>
          list === "settings" ? `${item.system} ${item.name}` : (item.id ?? item.name ?? item.person ?? ""),
        );
        assert.deepEqual(keys, [...keys].sort(), list);
      }
    }
  });
  test("it is plain data: a round trip through JSON changes nothing", () => {
    for (const environment of catalogue.systems.keys()) {
      const model = derive(catalogue, environment);
      assert.deepEqual(JSON.parse(JSON.stringify(model)), model);
    }
  });
  test("the order of keys in the files does not show in it", () => {
    const files = realFiles();
    const expected = JSON.stringify(derive(loadCatalogueFrom(files), "production"));
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (numbers) => {
        const shuffled = Object.fromEntries(
          Object.entries(files).map(([name, text]) => [name, shuffle(text, numbers)]),
        );
        assert.equal(JSON.stringify(derive(loadCatalogueFrom(shuffled), "production")), expected);
      }),
      { numRuns: process.env.KEYPLANE_SCALE === "prove" ? 200 : 10 },
    );
  });
  test("an environment that is not there is refused by name", () => {
    assert.throws(() => derive(catalogue, "prod"), {
      name: "RangeError",
      message: 'The environment "prod" is not in the catalogue: write one of local, production, staging.',
    });
  });
});

/** The same YAML with the keys of every mapping in another order; aliases are written out first. */
function shuffle(text: string, numbers: Iterator<number>): string {
  const document = parseDocument(JSON.stringify(parseDocument(text).toJS()));
  visit(document, {
    Map(_, map) {
      if (!isMap(map)) return;
      const weighted = map.items.map((item) => ({ item, weight: Number(numbers.next().value) }));
      map.items = weighted.sort((a, b) => a.weight - b.weight).map(({ item }) => item);
    },
  });
  return document.toString();
}

suite("an environment", () => {
  const model = (text: string, environment = "local", overrides = {}): Model =>
    derive(
      loadCatalogueFrom({ "organization.yaml": organization, "systems/shop.yaml": text }),
      environment,
      overrides,
    );

  test("differs by the one rule: mappings merge, everything else replaces", () => {
    const text = shop.replace(
      "  signing:\n",
      "  signing:\n    per-environment: { production: { rotate: { every: 7d }, consumers: { api: { as: { KEY_ID: key-id } } } } }\n",
    );
    const signing = (m: Model) => m.secrets.find(({ id }) => id === "shop/signing");
    assert.equal(signing(model(text))?.rotate.every, 30 * 86_400);
    assert.equal(signing(model(text, "production"))?.rotate.every, 7 * 86_400);
    assert.equal(signing(model(text, "production"))?.rotate.overlap, 86_400);
    assert.deepEqual(signing(model(text, "production"))?.consumers.find(({ name }) => name === "api")?.as, {
      KEY_ID: "key-id",
      SIGNING_FILE: "primary",
    });
  });
  test("has a database only where the database says so", () => {
    const text = shop.replace("at: { local: {}, production: {} }", "at: { production: {} }");
    assert.deepEqual(model(text).databases, []);
    assert.equal(
      model(text).secrets.some(({ id }) => id === "shop/orders-api"),
      false,
    );
    assert.equal(model(text, "production").databases.length, 1);
  });
  test("has a CI job only where the job says so", () => {
    const text = shop.replace("workflow: deploy.yml", "workflow: deploy.yml, environments: [production]");
    assert.deepEqual(model(text).ciJobs, []);
    assert.deepEqual(
      model(text).jwtRoles.filter(({ of }) => of.kind === "ci"),
      [],
    );
    assert.equal(
      model(text).secrets.some(({ consumers }) => consumers.some(({ kind }) => kind === "ci")),
      false,
    );
    assert.deepEqual(
      model(text, "production").ciJobs.map(({ id }) => id),
      ["shop/ci/deploy"],
    );
  });
  test("takes what the local stack learns at run time over what the catalogue says", () => {
    const learned = model(shop, "local", {
      vault: {
        address: "https://127.0.0.1:9999",
        audit: { a: { type: "file", path: "/x/a" }, b: { type: "file", path: "/y/b" } },
      },
      github: { issuer: "https://127.0.0.1:7777" },
      postgres: { host: "127.0.0.1", port: 6543 },
    });
    assert.equal(learned.vault.address, "https://127.0.0.1:9999");
    assert.deepEqual(learned.vault.audit[0], { name: "a", type: "file", options: { file_path: "/x/a" } });
    assert.equal(learned.github.issuer, "https://127.0.0.1:7777");
    assert.equal(learned.databases[0]?.port, 6543);
  });
  test("asks for verified TLS of a database that is not on this machine (R53)", () => {
    assert.equal(model(shop).databases[0]?.tls, "disable");
    assert.equal(model(shop, "production").databases[0]?.tls, "verify-full");
  });
});

suite("roles for GitHub's tokens bind exactly (R11)", () => {
  const model = derive(catalogue, "production");
  test("a CI job: repository and owner by id, environment, event, ref and workflow, in a batch token of minutes", () => {
    assert.deepEqual(
      model.jwtRoles.find(({ name }) => name === "titan.ci.deploy"),
      {
        name: "titan.ci.deploy",
        of: { kind: "ci", id: "titan/ci/deploy" },
        audience: "https://github.com/acme",
        userClaim: "repository_id",
        boundClaims: {
          environment: ["production"],
          event_name: ["push", "schedule", "workflow_dispatch"],
          job_workflow_ref: ["acme/titan/.github/workflows/deploy.yml@refs/heads/main"],
          ref: ["refs/heads/main"],
          repository_id: ["790551264"],
          repository_owner_id: ["5544123"],
        },
        policies: ["titan.ci.deploy"],
        tokenType: "batch",
        ttl: 600,
        maxTtl: 600,
      },
    );
  });
  test("the platform's four roles come from its own repository and workflows", () => {
    assert.deepEqual(
      model.jwtRoles
        .filter(({ of }) => of.kind === "platform")
        .map(({ name, boundClaims }) => [name, boundClaims.job_workflow_ref, boundClaims.repository_id]),
      ["deploy", "drift", "enrol", "rotate"].map((role) => [
        `keyplane.${role}`,
        [`acme/secrets/.github/workflows/${role}.yml@refs/heads/main`],
        ["821093847"],
      ]),
    );
  });
  test("no bound value holds a pattern, and every token expires (R13)", () => {
    for (const { boundClaims, ttl, maxTtl } of model.jwtRoles) {
      assert.doesNotMatch(Object.values(boundClaims).flat().join(), /[*+?]/);
      assert.ok(ttl > 0 && ttl <= maxTtl && maxTtl <= 4 * 3600);
    }
  });
  test("every host's secret id expires, runs out and comes from its own ranges", () => {
    for (const { secretIdTtl, secretIdUses, cidrs, ttl, maxTtl } of model.appRoles) {
      assert.ok(secretIdTtl > 0 && secretIdUses > 0 && ttl > 0 && maxTtl <= 86_400);
      assert.deepEqual(cidrs, ["10.30.0.0/16"]);
    }
  });
  test("a server-wide rate limit and stricter ones on the logins, not on what administers them", () => {
    assert.deepEqual(
      derive(catalogue, "local").quotas.map(({ name, path }) => [name, path]),
      [
        ["keyplane.approle", "auth/approle/login"],
        ["keyplane.github", "auth/github/login"],
        ["keyplane.global", ""],
        ["keyplane.human", "auth/userpass/login/*"],
      ],
    );
  });
});

suite("parts", () => {
  const systems = Array.from({ length: 1000 }, (_, index) => `system-${index}`);
  test("one more part moves only what the new part wins", () => {
    for (const count of [1, 2, 5, 10]) {
      const moved = systems.filter((system) => partOf(system, count) !== partOf(system, count + 1));
      assert.deepEqual([...new Set(moved.map((system) => partOf(system, count + 1)))], [`part-${count + 1}`]);
      assert.ok(Math.abs(moved.length - 1000 / (count + 1)) < 70, `${count}: ${moved.length}`);
    }
  });
  test("a part of a system's own wins over the computed one", () => {
    const files = { "organization.yaml": organization, "systems/shop.yaml": `part: front\n${shop}` };
    const model = derive(loadCatalogueFrom(files), "local");
    assert.deepEqual([model.systems[0]?.part, model.parts], ["front", ["front"]]);
  });
});
