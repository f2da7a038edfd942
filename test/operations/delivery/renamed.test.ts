import assert from "node:assert/strict";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { parseEnv } from "node:util";
import type { Vault } from "../../../clients/vault.ts";
import { keptId } from "../../../model/kept-names.ts";
import type { Consumer, Delivery, Model, Secret, Service } from "../../../model/model.ts";
import { bundleOf } from "../../../operations/delivery/bundle.ts";
import { describeInstance } from "../../../operations/delivery/instances.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { startOf } from "../../../operations/process-identity.ts";
import { serviceOf, type TestHost, testHost } from "./services.ts";

type Shop = Pick<Model, "vault" | "services" | "secrets" | "settings">;

const envFile: Delivery[] = [{ to: "env-file", path: "/opt/shop/.env" }];
const folder: Delivery[] = [{ to: "files", folder: "/run/shop" }];

/** A secret whose data lies under the name `stored`, read as PASSWORD (or a file of that name) by these services. */
function secretOf(name: string, stored: string, services: string[], as = "PASSWORD"): Secret {
  const consumers = services.map(
    (service): Consumer => ({
      ...{ id: `shop/${service}`, kind: "service", name: service, role: "reader" },
      path: `services/shop/${service}/${stored}`,
      as: { [as]: "password" },
      files: as.endsWith("_FILE") ? { [as]: "password" } : {},
    }),
  );
  return { id: `shop/${name}`, source: `source/shop/${stored}`, consumers } as Secret;
}

function shopOf(services: Service[], secrets: Secret[]): Shop {
  return { vault: { mounts: { kv: "kv" } }, services, secrets, settings: [] } as unknown as Shop;
}

/** A Vault whose paths were each written once, one day after the other. */
class Paths {
  readonly #paths = new Map<string, { value: string; version: number; at: string }>();
  #day = 0;

  write(path: string, value: string): void {
    this.#day++;
    const at = new Date(Date.UTC(2026, 0, this.#day)).toISOString();
    const version = (this.#paths.get(path)?.version ?? 0) + 1;
    this.#paths.set(path, { value, version, at });
  }

  get vault(): Vault {
    const read = async (path: string) => {
      const found = this.#paths.get(path.slice("kv/data/".length));
      if (found === undefined) return undefined;
      const { value: password, version, at } = found;
      return { data: { password }, metadata: { version, created_time: at } };
    };
    return { read } as unknown as Vault;
  }
}

async function bring(host: TestHost, paths: Paths, shop: Shop, name: string): Promise<void> {
  const id = `shop/${name}`;
  const service = shop.services.find((one) => one.id === id);
  assert.ok(service);
  const [sink] = sinksOf(shop, service, { root: host.root, runs: host.runs });
  await sink?.write(await bundleOf(paths.vault, shop, id));
}

for (const [what, deliver, as, value] of [
  [
    "an env-file",
    envFile,
    "PASSWORD",
    async (host: TestHost) => parseEnv(await readFile(join(host.root, "/opt/shop/.env"), "utf8")).PASSWORD,
  ],
  [
    "a folder",
    folder,
    "PASSWORD_FILE",
    (host: TestHost) => readFile(join(host.root, "/run/shop/password"), "utf8"),
  ],
] as const) {
  describe(`${what} that two services share`, () => {
    const services = [serviceOf("one", deliver), serviceOf("two", deliver)];
    const before = shopOf(services, [
      secretOf("db", "db", ["one", "two"], as),
      secretOf("next", "next", [], as),
    ]);

    /** Both have been brought what they had before. */
    async function shared(): Promise<{ host: TestHost; paths: Paths }> {
      const host = await testHost();
      const paths = new Paths();
      for (const name of ["one", "two"]) {
        paths.write(`services/shop/${name}/db`, "v1");
        await bring(host, paths, before, name);
      }
      return { host, paths };
    }

    test("takes a renamed secret from the first write on, and its next values (R34)", async () => {
      const { host, paths } = await shared();
      await using _host = host;
      const after = shopOf(services, [secretOf("database", "db", ["one", "two"], as)]);
      await bring(host, paths, after, "one");
      await bring(host, paths, after, "two");
      paths.write("services/shop/one/db", "v2");
      await bring(host, paths, after, "one");
      assert.equal(await value(host), "v2");
      await bring(host, paths, after, "two");
      assert.equal(await value(host), "v2", "what the other was brought before stays");
    });

    test("takes the value of another secret for both, whoever is written first", async () => {
      for (const order of [
        ["one", "two"],
        ["two", "one"],
      ]) {
        const { host, paths } = await shared();
        await using _host = host;
        const after = shopOf(services, [
          secretOf("db", "db", [], as),
          secretOf("next", "next", ["one", "two"], as),
        ]);
        for (const name of order) {
          paths.write(`services/shop/${name}/next`, "other");
          await bring(host, paths, after, name);
          assert.equal(await value(host), "other");
        }
      }
    });

    test("takes another secret of one of them where the other no longer has the name", async () => {
      const { host, paths } = await shared();
      await using _host = host;
      const after = shopOf(services, [secretOf("db", "db", [], as), secretOf("next", "next", ["one"], as)]);
      paths.write("services/shop/one/next", "other");
      await bring(host, paths, after, "one");
      assert.equal(await value(host), "other");
    });

    test("is refused where the two are to have different secrets under one name", async () => {
      const { host, paths } = await shared();
      await using _host = host;
      const after = shopOf(services, [
        secretOf("db", "db", ["two"], as),
        secretOf("next", "next", ["one"], as),
      ]);
      paths.write("services/shop/one/next", "other");
      await assert.rejects(bring(host, paths, after, "one"), /shop\/two/);
      assert.equal(await value(host), "v1");
    });

    test("is not held by a service that was retired, or moved elsewhere", async () => {
      for (const gone of [
        { retired: { since: "2026-01-01", reason: "gone", delete: false } },
        { deliver: [{ to: "env-file" as const, path: "/opt/shop/two.env" }] },
      ]) {
        const { host, paths } = await shared();
        await using _host = host;
        const [one] = services;
        assert.ok(one);
        const after = shopOf(
          [one, serviceOf("two", deliver, gone)],
          [secretOf("db", "db", [], as), secretOf("next", "next", ["one"], as)],
        );
        paths.write("services/shop/one/next", "other");
        await bring(host, paths, after, "one");
        assert.equal(await value(host), "other");
      }
    });

    test("knows a renamed service: what it was brought under its first name is its own", async () => {
      const { host, paths } = await shared();
      await using _host = host;
      const [one] = services;
      assert.ok(one);
      const renamed = serviceOf("second", deliver, { policy: "shop.two" });
      const db = secretOf("db", "db", ["one"], as);
      const consumer = { ...db.consumers[0], id: "shop/second", name: "second" } as Consumer;
      db.consumers.push({ ...consumer, path: "services/shop/two/db" });
      const after = shopOf([one, renamed], [db]);
      const [sink] = sinksOf(after, renamed, { root: host.root, runs: host.runs, command: async () => "" });
      assert.notEqual((await sink?.running("shop/db", 1))?.state, "behind");
      const manifests = {
        "an env-file": "/opt/shop/.env.keyplane.json",
        "a folder": "/run/shop/.keyplane.json",
      };
      await bring(host, paths, after, "second");
      const manifest = JSON.parse(await readFile(join(host.root, manifests[what]), "utf8"));
      assert.deepEqual(Object.keys(manifest.services).sort(), ["shop/one", "shop/two"]);
    });
  });
}

test("a secret that the catalogue has not is another catalogue's, and its name is not taken over", async () => {
  await using host = await testHost();
  const paths = new Paths();
  const manifest = join(host.root, "opt/shop/.env.keyplane.json");
  await mkdir(dirname(manifest), { recursive: true });
  const held = { version: 1, writtenAt: "2026-01-01T00:00:00Z", since: "2026-01-01T00:00:00Z" };
  const section = { secrets: { "other/db": held }, entries: { PASSWORD: ["other/db"] }, uid: 0 };
  await writeFile(manifest, JSON.stringify({ services: { "other/api": section } }));
  const shop = shopOf([serviceOf("one", envFile)], [secretOf("db", "db", ["one"])]);
  paths.write("services/shop/one/db", "v1");
  await assert.rejects(
    bring(host, paths, shop, "one"),
    /holds another PASSWORD, that of other\/api: .*; where other\/api is gone, take it out of \S+\.env\.keyplane\.json$/,
  );
});

test("keyplane run is found under what a rename of its service and its secrets keeps", async () => {
  await using host = await testHost();
  const started = (await startOf(process.pid)) ?? "";
  const own = { pid: process.pid, started };
  await describeInstance(host.runs, { ...own, service: "shop/one", child: own, versions: { "shop/db": 3 } });
  const renamed = serviceOf("first", envFile, { policy: "shop.one" });
  const secret = secretOf("database", "db", ["first"]);
  const [sink] = sinksOf(shopOf([renamed], [secret]), renamed, { root: host.root, runs: host.runs });
  assert.equal((await sink?.running(keptId(secret), 3))?.state, "runs");
});

// Versions before 2026-11-29 wrote the catalogue's names.
test("what was brought under the catalogue's names after a rename is taken on, and goes on under what the rename keeps", async () => {
  await using host = await testHost();
  const paths = new Paths();
  const [first, second] = ["first", "second"].map((name) =>
    serviceOf(name, envFile, { policy: `shop.${name === "first" ? "one" : name}` }),
  );
  assert.ok(first && second);
  const shop = shopOf([first, second], [secretOf("database", "db", ["first", "second"])]);
  const file = join(host.root, "/opt/shop/.env");
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "PASSWORD='v1'\n", { mode: 0o600 });
  const at = "2026-01-01T00:00:00.000Z";
  const section = {
    secrets: { "shop/database": { version: 1, writtenAt: at, since: at } },
    entries: { PASSWORD: ["shop/database"] },
    uid: process.getuid?.() ?? 0,
  };
  const manifest = `${file}.keyplane.json`;
  await writeFile(manifest, JSON.stringify({ services: { "shop/first": section, "shop/second": section } }));
  for (const name of ["first", "second"]) {
    paths.write(`services/shop/${name}/db`, "v1");
    paths.write(`services/shop/${name}/db`, "v2");
    await bring(host, paths, shop, name);
  }
  assert.equal(parseEnv(await readFile(file, "utf8")).PASSWORD, "v2");
  const { services } = JSON.parse(await readFile(manifest, "utf8"));
  assert.deepEqual(Object.keys(services).sort(), ["shop/one", "shop/second"]);
  assert.deepEqual(Object.keys(services["shop/one"].secrets), ["shop/db"]);
});

test("keyplane run of an older version is found under the catalogue's names, and is asked to look by its own", async () => {
  await using host = await testHost();
  const own = { pid: process.pid, started: (await startOf(process.pid)) ?? "" };
  await describeInstance(host.runs, {
    ...own,
    service: "shop/first",
    child: own,
    versions: { "shop/database": 3 },
  });
  const renamed = serviceOf("first", envFile, { policy: "shop.one" });
  const secret = secretOf("database", "db", ["first"]);
  const [sink] = sinksOf(shopOf([renamed], [secret]), renamed, { root: host.root, runs: host.runs });
  assert.equal((await sink?.running(keptId(secret), 3))?.state, "runs");
  await sink?.reload();
  await access(join(host.runs, `shop.first.${process.pid}.json.poke`));
});
