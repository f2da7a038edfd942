import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Delivery } from "../../../model/model.ts";
import { Folder, prepareFolder } from "../../../operations/delivery/folder.ts";
import { holdPlace } from "../../../operations/delivery/hold.ts";
import { lookIn, placeFiles, removeFiles } from "../../../operations/delivery/owned-file.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { until } from "../../integration/services/until.ts";
import { bundleFor, serviceOf, testHost } from "./services.ts";

interface Case {
  deliver: Delivery;
  lock: string;
  file: string;
}

const cases: Case[] = [
  { deliver: { to: "files", folder: "/app" }, lock: ".keyplane.lock", file: "hmac" },
  { deliver: { to: "env-file", path: "/app/.env" }, lock: ".env.keyplane.lock", file: ".env" },
];

/** A place that has been written once; its owner holds it, and a runner comes to bring the next version. */
async function heldPlace(t: TestContext, { deliver, lock }: Case) {
  const host = await testHost();
  t.after(() => host[Symbol.asyncDispose]());
  const service = serviceOf("api", [deliver]);
  const [sink] = sinksOf({ services: [service], secrets: [] }, service, host);
  const bring = async (version: number) => {
    const value = `v${version}`;
    const holds = deliver.to === "env-file" ? { variables: { KEY: value } } : { files: { hmac: value } };
    return sink?.write(bundleFor(service, { "shop/a": { version, ...holds } }));
  };
  await bring(1);
  const folder = join(host.root, "app");
  const opened = await Folder.open(folder);
  const held = await holdPlace(opened, lock);
  const letGo = () => held[Symbol.asyncDispose]();
  t.after(() => opened[Symbol.asyncDispose]());
  t.after(letGo);
  const brought = bring(2);
  brought.catch(() => {});
  await waitedFor(join(folder, lock));
  return { root: host.root, folder, brought, letGo };
}

/** Until somebody waits for a lock: Linux names the file of each by its inode. */
async function waitedFor(path: string): Promise<void> {
  if (process.platform !== "linux") return wait(200);
  const { ino } = await stat(path);
  const waiter = new RegExp(`^\\d+: -> FLOCK .*:${ino} `, "m");
  await until(async () => waiter.test(await readFile("/proc/locks", "utf8")));
}

for (const one of cases) {
  describe(`while a runner waits for a place of ${one.deliver.to} that its owner holds`, () => {
    test("the lock may become a link: where it leads nothing is made, and it is refused (R45, R53)", async (t) => {
      const { root, folder, brought, letGo } = await heldPlace(t, one);
      await symlink(join(root, "nologin"), join(root, "link"));
      await rename(join(root, "link"), join(folder, one.lock));
      await wait(100);
      await letGo();
      await assert.rejects(brought, { name: "DeliveryError", message: /lock is a symbolic link/ });
      assert.deepEqual(await readdir(root), ["app"]);
      assert.match(await readFile(join(folder, one.file), "utf8"), /v1/);
    });

    test("the lock may become another file: it is that one that runners meet at, and the runner holds it", async (t) => {
      const { folder, brought, letGo } = await heldPlace(t, one);
      await rm(join(folder, one.lock));
      await using opened = await Folder.open(folder);
      const second = await holdPlace(opened, one.lock);
      await letGo();
      assert.equal(await Promise.race([brought, wait(200, "waits")]), "waits");
      await second[Symbol.asyncDispose]();
      assert.equal(await brought, true);
    });

    test("the folder may become a link: nothing is written or removed where it leads (R45, R53)", async (t) => {
      const { root, folder, brought, letGo } = await heldPlace(t, one);
      const other = join(root, "other");
      await mkdir(other);
      await writeFile(join(other, one.file), "KEY='theirs'\n");
      await rename(folder, join(root, "moved"));
      await symlink(other, folder);
      await letGo();
      await assert.rejects(brought, { name: "DeliveryError", message: /app was moved away or replaced/ });
      assert.deepEqual(await readdir(other), [one.file]);
      assert.equal(await readFile(join(other, one.file), "utf8"), "KEY='theirs'\n");
      assert.match(await readFile(join(root, "moved", one.file), "utf8"), /v1/);
    });
  });
}

test("what lies beside a lock, and in it, is not read: its folder's owner may have put it there (R53)", async () => {
  await using host = await testHost();
  await mkdir(host.root, { recursive: true });
  const lock = join(host.root, ".keyplane.lock");
  await writeFile(lock, "no database ".repeat(100));
  await writeFile(`${lock}-journal`, "another's");
  await using folder = await Folder.open(host.root);
  await (await holdPlace(folder, ".keyplane.lock"))[Symbol.asyncDispose]();
  assert.deepEqual((await readdir(host.root)).sort(), [".keyplane.lock", ".keyplane.lock-journal"]);
});

test("what is done in a folder that is open is done there, whatever its path leads to by now (R45)", {
  skip: process.platform !== "linux" && "takes descriptors that lead to their folders",
}, async () => {
  await using host = await testHost();
  const [path, moved, other] = ["app", "moved", "other"].map((name) => join(host.root, name));
  assert.ok(path !== undefined && moved !== undefined && other !== undefined);
  for (const made of [path, other]) await mkdir(made, { recursive: true });
  for (const made of [path, other]) await writeFile(join(made, "old"), "old");
  await using folder = await Folder.open(path);
  await rename(path, moved);
  await symlink(other, path);
  const owner = { uid: process.geteuid?.() ?? 0 };
  assert.deepEqual(await placeFiles(folder, [{ name: "key", content: "value", owner }]), ["key"]);
  await removeFiles(folder, ["old"]);
  await (await prepareFolder(join(path, "api"), owner, { within: folder }))[Symbol.asyncDispose]();
  assert.equal((await lookIn(folder, "key"))?.content, "value");
  assert.deepEqual((await readdir(moved)).sort(), ["api", "key"]);
  assert.deepEqual(await readdir(other), ["old"]);
  // Who reads of a failure knows the folder by its path.
  await assert.rejects(folder.rename("none", "some"), { code: "ENOENT", path: join(path, "none") });
  await assert.rejects(Folder.open(path), { name: "DeliveryError", message: /is a symbolic link/ });
});
