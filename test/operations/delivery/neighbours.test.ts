import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import type { Consumer, Delivery, Secret, Service } from "../../../model/model.ts";
import { checkFiles } from "../../../operations/delivery/check-files.ts";
import { filesOf, rivalNames } from "../../../operations/delivery/neighbours.ts";
import { DeliveryError, type Sink } from "../../../operations/delivery/sink.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { bundleFor, serviceOf, type TestHost, testHost } from "./services.ts";

const model = derive(await loadCatalogue("catalogue"), "local");
const overlay = { overlay: "o.yml", beside: "c.yml", folder: "./secrets", mount: "/run/secrets" };
const inCompose: Delivery[] = [{ to: "compose-secrets", ...overlay }];

/** A secret that services read in roles of theirs, under one name each. */
function secretOf(
  roles: Record<string, Consumer["role"]>,
  as: Record<string, string>,
  files: Record<string, string>,
) {
  const consumers = Object.entries(roles).map(([name, role]) => ({
    ...{ id: `shop/${name}`, kind: "service" as const, name, role, path: `services/shop/${name}/key` },
    ...{ as, files },
  }));
  return { id: "shop/key", consumers } as Secret;
}

function sinkOf(host: TestHost, service: Service, services: Service[], secret: Secret): Sink {
  const options = { root: host.root, runs: host.runs };
  const [sink] = sinksOf({ services, secrets: [secret] }, service, options);
  assert.ok(sink !== undefined);
  return sink;
}

describe("a listener and a signer that name the same file (R29)", () => {
  const services = ["verify", "check", "sign"].map((name) =>
    serviceOf(name, inCompose, { runsOn: "compose" }),
  );
  const [verify, , sign] = services;
  assert.ok(verify !== undefined && sign !== undefined);
  const secret = secretOf(
    { verify: "listener", check: "listener", sign: "signer" },
    { KEY_FILE: "primary" },
    { KEY_FILE: "key" },
  );
  const bundle = (service: Service, value: string, version: number) =>
    bundleFor(service, { "shop/key": { version, variables: { KEY_ID: "v1" }, files: { key: value } } });

  test("have it each in a folder of their own, which the container sees under the same name (R40)", async () => {
    await using host = await testHost();
    for (const service of [verify, sign]) {
      await sinkOf(host, service, services, secret).write(bundle(service, "old", 1));
    }
    await sinkOf(host, verify, services, secret).write(bundle(verify, "new", 2));
    const at = (name: string) => join(host.root, "secrets", name);
    assert.deepEqual(
      await Promise.all(["verify/key", "sign/key"].map((name) => readFile(at(name), "utf8"))),
      ["new", "old"],
    );
    for (const name of ["", "sign"]) assert.equal((await stat(at(name))).mode & 0o7777, 0o700, name);
    assert.deepEqual((await readdir(at(""))).sort(), ["sign", "verify"]);
    assert.equal(await readFile(at("sign/sign.env"), "utf8"), "KEY_FILE='/run/secrets/key'\nKEY_ID='v1'\n");
    assert.deepEqual(await checkFiles({ services }, host), []);
  });

  test("without a container it is the variable that leads there", async () => {
    await using host = await testHost();
    const here = services.map((service) => ({
      ...service,
      deliver: [{ to: "files" as const, folder: "/run/secrets" }],
    }));
    const [, , signer] = here;
    assert.ok(signer);
    await sinkOf(host, signer, here, secret).write(bundle(signer, "old", 1));
    const folder = join(host.root, "run/secrets");
    for (const one of [folder, join(folder, "sign")]) assert.equal((await stat(one)).mode & 0o7777, 0o700);
    assert.equal(
      await readFile(join(folder, "sign/sign.env"), "utf8"),
      "KEY_FILE='/run/secrets/sign/key'\nKEY_ID='v1'\n",
    );
  });

  test("several users pass the folder above, and enter their own alone (R45)", async () => {
    await using host = await testHost();
    const own = process.getuid?.() ?? 0;
    const here = services.map((service, index) => ({
      ...service,
      user: index === 0 ? own + 1 : own,
      deliver: [{ to: "files" as const, folder: "/run/secrets" }],
    }));
    const [, , signer] = here;
    assert.ok(signer);
    await sinkOf(host, signer, here, secret).write(bundle(signer, "old", 1));
    const modes = ["run/secrets", "run/secrets/sign"].map(async (name) => {
      return (await stat(join(host.root, name))).mode & 0o7777;
    });
    assert.deepEqual(await Promise.all(modes), [0o711, 0o700]);
  });

  test("those of one role still share it: the order is not between them", async () => {
    const [delivery] = inCompose;
    assert.ok(delivery);
    const listeners = secretOf(
      { verify: "listener", check: "listener" },
      { KEY_FILE: "p" },
      { KEY_FILE: "key" },
    );
    assert.deepEqual(rivalNames({ services, secrets: [listeners] }, verify, delivery, filesOf), []);
    assert.deepEqual(rivalNames({ services, secrets: [secret] }, verify, delivery, filesOf), ["key"]);
  });

  test("one env-file cannot hold both: it is said before anything is made, and what to do", async () => {
    await using host = await testHost();
    const here = services.map((service) => ({
      ...service,
      deliver: [{ to: "env-file" as const, path: ".env" }],
    }));
    const inEnv = secretOf({ verify: "listener", sign: "signer" }, { KEY: "primary" }, {});
    const [listener] = here;
    assert.ok(listener);
    const sink = sinkOf(host, listener, here, inEnv);
    const refusal = await sink.unreached?.();
    assert.equal(refusal?.name, "DeliveryError", "no other machine does it");
    assert.match(
      refusal.message,
      /services that sign and services that accept read KEY from it.*give each a path of its own/,
    );
    const write = sink.write(bundleFor(listener, { "shop/key": { variables: { KEY: "new" } } }));
    await assert.rejects(write, (error) => error instanceof DeliveryError);
    assert.deepEqual(await readdir(host.root).catch(() => []), []);
  });
});

test("of the five systems it is titan's HMAC key that asks for it; the others keep ./secrets/ as it is", () => {
  const own = model.services.flatMap((service) =>
    service.deliver.flatMap((delivery) =>
      rivalNames(model, service, delivery, filesOf).map((file) => `${service.id} ${file}`),
    ),
  );
  assert.deepEqual(own.sort(), [
    "titan/titan-brain titan_hmac_secret",
    "titan/titan-execution-rs titan_hmac_secret",
    "titan/titan-sentinel titan_hmac_secret",
  ]);
});
