import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseEnv } from "node:util";
import type { Delivery, Service } from "../../../model/model.ts";
import { checkFiles } from "../../../operations/delivery/check-files.ts";
import type { Sink } from "../../../operations/delivery/sink.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { bundleFor, serviceOf, type TestHost, testHost } from "./services.ts";

const isRoot = process.geteuid?.() === 0;
const path = "/opt/shop/env_files/local.env";
const deliver: Delivery[] = [{ to: "env-file", path }];

function sinkOf(host: TestHost, service: Service, services: Service[] = [service]): Sink {
  const [sink] = sinksOf({ services, secrets: [] }, service, { root: host.root, runs: host.runs });
  assert.ok(sink !== undefined);
  return sink;
}

const read = (host: TestHost) => readFile(join(host.root, path), "utf8");

describe("an env-file", () => {
  test("holds every variable, mode 600, beside a manifest without values (R42, R45)", async () => {
    await using host = await testHost();
    const service = serviceOf("api", deliver);
    const bundle = bundleFor(
      service,
      { "shop/a": { version: 4, variables: { KEY: "canary-1", OTHER: "b" } } },
      { LAB: "x" },
    );
    assert.equal(await sinkOf(host, service).write(bundle), true);
    assert.equal(await read(host), "KEY='canary-1'\nLAB='x'\nOTHER='b'\n");
    const folder = join(host.root, "opt/shop/env_files");
    assert.deepEqual((await readdir(folder)).sort(), [
      "local.env",
      "local.env.keyplane.json",
      "local.env.keyplane.lock",
    ]);
    for (const name of await readdir(folder)) {
      assert.equal((await stat(join(folder, name))).mode & 0o7777, 0o600);
    }
    assert.equal((await stat(folder)).mode & 0o7777, 0o700);
    const manifest = await readFile(join(folder, "local.env.keyplane.json"), "utf8");
    assert.doesNotMatch(manifest, /canary/);
    assert.equal(JSON.parse(manifest).services["shop/api"].secrets["shop/a"].version, 4);
  });

  test("names the files of a service by the path at which it sees them", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver, { to: "files", folder: "/opt/shop/credentials" }]);
    const bundle = bundleFor(service, { "shop/a": { files: { pem: "-----BEGIN" } } });
    for (const sink of sinksOf({ services: [service], secrets: [] }, service, host)) await sink.write(bundle);
    assert.equal(await read(host), "PEM_FILE='/opt/shop/credentials/pem'\n");
    assert.deepEqual((await readdir(join(host.root, "opt/shop/credentials"))).sort(), [
      ".keyplane.json",
      ".keyplane.lock",
      "pem",
    ]);
  });

  test("cannot carry files without a folder for them", async () => {
    await using host = await testHost();
    const service = serviceOf("api", deliver);
    const bundle = bundleFor(service, { "shop/a": { files: { pem: "x" } } });
    await assert.rejects(sinkOf(host, service).write(bundle), /add \{ to: files, folder: … \}/);
  });

  test("is not touched while nothing changes, and mended where its mode is wrong (R45)", async () => {
    await using host = await testHost();
    const service = serviceOf("api", deliver);
    const sink = sinkOf(host, service);
    const bundle = bundleFor(service, { "shop/a": { variables: { KEY: "1" } } });
    await sink.write(bundle);
    const before = await stat(join(host.root, path));
    assert.equal(await sink.write(bundle), false);
    const after = await stat(join(host.root, path));
    assert.deepEqual([after.ino, after.mtimeMs], [before.ino, before.mtimeMs]);
    await chmod(join(host.root, path), 0o640);
    assert.match((await checkFiles({ services: [service] }, host))[0]?.problem ?? "", /mode 640/);
    await sink.write(bundle);
    assert.deepEqual(await checkFiles({ services: [service] }, host), []);
  });

  test("belongs to the service's user, and its project's folder stays as it is", async () => {
    await using host = await testHost();
    const service = serviceOf("api", deliver, isRoot ? { user: 12_345 } : {});
    const folder = join(host.root, "opt/shop/env_files");
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await chmod(folder, 0o755);
    await sinkOf(host, service).write(bundleFor(service, { "shop/a": { variables: { KEY: "1" } } }));
    assert.equal((await stat(join(host.root, path))).uid, isRoot ? 12_345 : process.geteuid?.());
    assert.deepEqual(
      [(await stat(folder)).mode & 0o7777, (await stat(folder)).uid],
      [0o755, process.geteuid?.()],
    );
  });

  test("is refused in a folder in which others could replace it", async () => {
    await using host = await testHost();
    const service = serviceOf("api", deliver);
    const folder = join(host.root, "opt/shop/env_files");
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o777);
    const bundle = bundleFor(service, { "shop/a": { variables: { KEY: "1" } } });
    await assert.rejects(sinkOf(host, service).write(bundle), /chmod go-w/);
    assert.deepEqual(await readdir(folder), []);
  });

  test("is not written through a symbolic link", async () => {
    await using host = await testHost();
    const service = serviceOf("api", deliver);
    await mkdir(join(host.root, "opt/shop/env_files"), { recursive: true });
    await writeFile(join(host.root, "target"), "KEY='untouched'\n");
    await symlink(join(host.root, "target"), join(host.root, path));
    const bundle = bundleFor(service, { "shop/a": { variables: { KEY: "1" } } });
    await assert.rejects(sinkOf(host, service).write(bundle), /symbolic link/);
    assert.equal(await readFile(join(host.root, "target"), "utf8"), "KEY='untouched'\n");
  });

  test("that someone wrote by hand is taken over only when the catalogue knows what it holds", async () => {
    await using host = await testHost();
    const service = serviceOf("api", deliver);
    const sink = sinkOf(host, service);
    const bundle = bundleFor(service, { "shop/a": { variables: { KEY: "1" } } });
    await mkdir(join(host.root, "opt/shop/env_files"), { recursive: true });
    await writeFile(join(host.root, path), "KEY=canary\nFORGOTTEN=canary\n");
    await assert.rejects(
      sink.write(bundle),
      (error: Error) => /FORGOTTEN/.test(error.message) && !/canary|KEY/.test(error.message),
    );
    await writeFile(join(host.root, path), "KEY=canary\n");
    await sink.write(bundle);
    assert.equal(await read(host), "KEY='1'\n");
  });

  test("keeps a value that vanished from Vault, with the service that runs with it", async () => {
    await using host = await testHost();
    const service = serviceOf("api", deliver);
    const sink = sinkOf(host, service);
    await sink.write(
      bundleFor(service, { "shop/a": { variables: { A: "1" } }, "shop/b": { variables: { B: "1" } } }),
    );
    const without = bundleFor(service, { "shop/a": { version: 2, variables: { A: "2" } } });
    without.missing.push({ variable: "B", secret: "shop/b" });
    await assert.rejects(sink.write(without), /shop\/b, which Vault no longer has/);
    assert.equal(await read(host), "A='1'\nB='1'\n");
  });

  test("with a value that no reader would read alike is refused whole, and stays as it was", async () => {
    await using host = await testHost();
    const service = serviceOf("api", deliver);
    const sink = sinkOf(host, service);
    await sink.write(bundleFor(service, { "shop/a": { variables: { KEY: "1", OTHER: "1" } } }));
    const wrong = bundleFor(service, {
      "shop/a": { version: 2, variables: { KEY: "2", OTHER: 'it\'s "2"' } },
    });
    await assert.rejects(sink.write(wrong), { name: "EnvFileError", message: /OTHER \(holds both/ });
    assert.equal(await read(host), "KEY='1'\nOTHER='1'\n");
  });
});

describe("an env-file that services share", () => {
  const [one, two] = [serviceOf("one", deliver), serviceOf("two", deliver)];
  const at = (day: number) => `2026-01-0${day}T00:00:00Z`;

  test("holds the variables of all, each the latest that any of them was brought (R32)", async () => {
    await using host = await testHost();
    const [first, second] = [sinkOf(host, one, [one, two]), sinkOf(host, two, [one, two])];
    const forOne = (value: string, day: number) =>
      bundleFor(one, {
        "shop/db": { version: day, writtenAt: at(day), variables: { PASSWORD: value } },
        "shop/a": { variables: { A: "it's" } },
      });
    const forTwo = (value: string, day: number) =>
      bundleFor(
        two,
        { "shop/db": { version: day, writtenAt: at(day), variables: { PASSWORD: value } } },
        { B: "$x\n" },
      );
    await first.write(forOne("p1", 1));
    await second.write(forTwo("p1", 2));
    assert.deepEqual({ ...parseEnv(await read(host)) }, { A: "it's", B: "$x\n", PASSWORD: "p1" });
    await first.write(forOne("p2", 3));
    await second.write(forTwo("p1", 2));
    assert.deepEqual({ ...parseEnv(await read(host)) }, { A: "it's", B: "$x\n", PASSWORD: "p2" });
    await second.write(forTwo("p1", 4));
    assert.equal(parseEnv(await read(host)).PASSWORD, "p1");
  });

  test("loses the variables of a service that no longer has them, and only those", async () => {
    await using host = await testHost();
    const [first, second] = [sinkOf(host, one, [one, two]), sinkOf(host, two, [one, two])];
    await first.write(bundleFor(one, { "shop/a": { variables: { A: "1", A2: "2" } } }));
    await second.write(bundleFor(two, { "shop/b": { variables: { B: "1" } } }));
    await first.write(bundleFor(one, { "shop/a": { variables: { A: "1" } } }));
    assert.equal(await read(host), "A='1'\nB='1'\n");
  });

  test("of different users is refused: a file of mode 600 has one owner (R45)", async () => {
    await using host = await testHost();
    const other = serviceOf("two", deliver, { user: 12_345 });
    const bundle = bundleFor(one, { "shop/a": { variables: { A: "1" } } });
    await assert.rejects(sinkOf(host, one, [one, other]).write(bundle), /different users/);
  });

  test("of two systems that mean different things by one name is refused, and stays as it was", async () => {
    await using host = await testHost();
    const [first, second] = [sinkOf(host, one, [one, two]), sinkOf(host, two, [one, two])];
    await first.write(bundleFor(one, { "shop/a": { variables: { API_KEY: "1" } } }));
    const other = bundleFor(two, { "other/a": { variables: { API_KEY: "2" } } });
    await assert.rejects(second.write(other), /holds another API_KEY, that of shop\/one/);
    assert.equal(await read(host), "API_KEY='1'\n");
  });
});
