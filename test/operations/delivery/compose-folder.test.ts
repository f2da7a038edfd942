import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import type { Consumer, Secret, Service } from "../../../model/model.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { bundleFor, serviceOf, type TestHost, testHost } from "./services.ts";

const overlay = { overlay: "o.yml", beside: "c.yml", folder: "./secrets", mount: "/run/secrets" };

function serviceFor(name: string, user: number): Service {
  return serviceOf(name, [{ to: "compose-secrets", ...overlay }], { runsOn: "compose", user });
}

async function deliver(host: TestHost, service: Service, services: Service[], secrets: Secret[] = []) {
  const [sink] = sinksOf({ services, secrets }, service, { root: host.root, runs: host.runs });
  await sink?.write(
    bundleFor(service, { "shop/key": { files: { [`key-${service.name}`]: `of ${service.name}` } } }),
  );
}

/** What a container's user gets of a folder that is mounted: whoever may not pass the folders above it enters it all the same. */
async function inContainer(folder: string, user: number, ...argv: string[]): Promise<string> {
  const [program = "", ...rest] = argv;
  const { stdout } = await promisify(execFile)(program, rest, { cwd: folder, uid: user, gid: user });
  return stdout;
}

function asRoot(t: TestContext): boolean {
  if (process.geteuid?.() !== 0) t.skip("takes root, who gives files to other users");
  return process.geteuid?.() === 0;
}

describe("a folder that containers mount", () => {
  test("is entered and listed by the container's user, who reads its files and may watch them (R35, R45)", async (t) => {
    if (!asRoot(t)) return;
    await using host = await testHost();
    const api = serviceFor("api", 12_001);
    await deliver(host, api, [api]);
    const folder = join(host.root, "secrets");
    assert.equal(await inContainer(folder, 12_001, "cat", "key-api"), "of api");
    assert.equal(await inContainer(folder, 12_001, "ls"), "key-api\n");
    assert.equal((await stat(folder)).mode & 0o7777, 0o700);
  });

  test("that several users share is passed by each, who reads its own files alone and changes nothing (R45)", async (t) => {
    if (!asRoot(t)) return;
    await using host = await testHost();
    const services = [serviceFor("api", 12_001), serviceFor("web", 12_002)];
    for (const service of services) await deliver(host, service, services);
    const folder = join(host.root, "secrets");
    assert.equal(await inContainer(folder, 12_001, "cat", "key-api"), "of api");
    assert.equal(await inContainer(folder, 12_002, "cat", "key-web"), "of web");
    for (const argv of [["cat", "key-web"], ["ls"], ["rm", "-f", "key-web"], ["touch", "new"]]) {
      await assert.rejects(inContainer(folder, 12_001, ...argv), /Permission denied/, argv.join(" "));
    }
    const { uid, mode } = await stat(folder);
    assert.deepEqual([uid, mode & 0o7777], [0, 0o711]);
  });

  test("of one service, where a signer and a listener name the same file, is entered as well (R29)", async (t) => {
    if (!asRoot(t)) return;
    await using host = await testHost();
    const services = [serviceFor("sign", 12_001), serviceFor("verify", 12_002)];
    const consumers = services.map(({ id, name }) => ({
      ...{
        id,
        kind: "service",
        name,
        role: name === "sign" ? "signer" : "listener",
        path: `services/${id}/key`,
      },
      ...{ as: { KEY_FILE: "primary" }, files: { KEY_FILE: "key" } },
    }));
    const secret = { id: "shop/key", consumers: consumers as Consumer[] } as Secret;
    for (const service of services) await deliver(host, service, services, [secret]);
    for (const { name, user } of services) {
      const folder = join(host.root, "secrets", name);
      assert.equal(await inContainer(folder, Number(user), "cat", `key-${name}`), `of ${name}`);
    }
  });

  test("that an older version kept to itself is opened to its user by the next delivery", async (t) => {
    if (!asRoot(t)) return;
    await using host = await testHost();
    const api = serviceFor("api", 12_001);
    await mkdir(join(host.root, "secrets"), { recursive: true, mode: 0o700 });
    await deliver(host, api, [api]);
    assert.equal(await inContainer(join(host.root, "secrets"), 12_001, "cat", "key-api"), "of api");
  });
});

test("Compose is asked with the files that COMPOSE_FILE names, in the project's folder", async (t) => {
  await using host = await testHost();
  const project = join(host.root, "project");
  const asked = join(host.root, "asked");
  await mkdir(project, { recursive: true });
  await writeFile(join(host.root, "docker"), `#!/bin/sh\necho "$COMPOSE_FILE $PWD $*" > ${asked}\n`, {
    mode: 0o755,
  });
  const { PATH } = process.env;
  t.after(() => {
    process.env.PATH = PATH;
    delete process.env.COMPOSE_FILE;
  });
  process.env.PATH = `${host.root}:${PATH}`;
  process.env.COMPOSE_FILE = "docker-compose.prod.yml:docker-compose.secrets.yml";
  const api = { ...serviceFor("api", 12_001), reload: "restart" as const };
  const [sink] = sinksOf({ services: [api], secrets: [] }, api, {
    root: host.root,
    runs: host.runs,
    project,
  });
  await sink?.reload();
  const [files, folder, ...argv] = (await readFile(asked, "utf8")).trim().split(" ");
  assert.deepEqual([files, folder], [process.env.COMPOSE_FILE, project]);
  assert.equal(argv.join(" "), "compose up --detach --force-recreate --no-deps api");
});

test("what a service writes into the manifest of its folder removes nothing outside of it", async () => {
  await using host = await testHost();
  const api = serviceOf("api", [{ to: "files", folder: "/run/api" }]);
  await deliver(host, api, [api]);
  const victim = join(host.root, "victim");
  await writeFile(victim, "untouched");
  const manifest = join(host.root, "run/api/.keyplane.json");
  const { services } = JSON.parse(await readFile(manifest, "utf8"));
  services["shop/api"].entries["../../victim"] = ["shop/key"];
  await chmod(dirname(manifest), 0o700);
  await writeFile(manifest, JSON.stringify({ services }));
  await deliver(host, api, [api]);
  assert.equal(await readFile(victim, "utf8"), "untouched");
  assert.deepEqual((await readdir(dirname(manifest))).sort(), [
    ".keyplane.json",
    ".keyplane.lock",
    "key-api",
  ]);
});
