import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, link, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Service } from "../../../model/model.ts";
import { checkFiles } from "../../../operations/delivery/check-files.ts";
import { DeliveryError, type Sink, StaleBundleError } from "../../../operations/delivery/sink.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { bundleFor, serviceOf, type TestHost, testHost } from "./services.ts";

const isRoot = process.geteuid?.() === 0;
const deliver = [{ to: "files", folder: "/run/secrets" }] as const;

function sinkOf(host: TestHost, service: Service, services: Service[] = [service]): Sink {
  const [sink] = sinksOf({ services, secrets: [] }, service, { root: host.root, runs: host.runs });
  assert.ok(sink !== undefined);
  return sink;
}

describe("the files of a service", () => {
  test("each value is in a file of mode 600 in a folder of mode 700, nothing else is there (R39, R45)", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const bundle = bundleFor(service, { "shop/a": { files: { key: "two\nlines\n", cert: "é" } } });
    assert.equal(await sinkOf(host, service).write(bundle), true);
    const folder = join(host.root, "run/secrets");
    assert.deepEqual((await readdir(folder)).sort(), [".keyplane.json", ".keyplane.lock", "cert", "key"]);
    assert.equal(await readFile(join(folder, "key"), "utf8"), "two\nlines\n");
    assert.equal(await readFile(join(folder, "cert"), "utf8"), "é");
    for (const name of await readdir(folder))
      assert.equal((await stat(join(folder, name))).mode & 0o7777, 0o600);
    assert.equal((await stat(folder)).mode & 0o7777, 0o700);
  });

  test("the manifest says which versions are there, and no value", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const bundle = bundleFor(service, { "shop/a": { version: 7, files: { key: "canary-value" } } });
    await sinkOf(host, service).write(bundle);
    const text = await readFile(join(host.root, "run/secrets/.keyplane.json"), "utf8");
    assert.doesNotMatch(text, /canary/);
    const { services } = JSON.parse(text);
    assert.equal(services["shop/api"].secrets["shop/a"].version, 7);
    assert.deepEqual(services["shop/api"].entries, { key: ["shop/a"] });
  });

  test("what is right already keeps its times; what changed alone is written", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const sink = sinkOf(host, service);
    const [a, b] = [join(host.root, "run/secrets/a"), join(host.root, "run/secrets/b")];
    await sink.write(bundleFor(service, { "shop/x": { files: { a: "1", b: "2" } } }));
    const before = [await stat(a), await stat(b)];
    assert.equal(await sink.write(bundleFor(service, { "shop/x": { files: { a: "1", b: "2" } } })), false);
    assert.deepEqual(
      [await stat(a), await stat(b)].map(({ mtimeMs, ino, atimeMs }) => [mtimeMs, ino, atimeMs]),
      before.map(({ mtimeMs, ino, atimeMs }) => [mtimeMs, ino, atimeMs]),
    );
    assert.equal(
      await sink.write(bundleFor(service, { "shop/x": { version: 2, files: { a: "1", b: "3" } } })),
      true,
    );
    assert.equal((await stat(a)).ino, before[0]?.ino);
    assert.notEqual((await stat(b)).ino, before[1]?.ino);
  });

  test("a wrong mode is reported by the check and mended by the next write (R45)", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const sink = sinkOf(host, service);
    const bundle = bundleFor(service, { "shop/x": { files: { a: "1" } } });
    await sink.write(bundle);
    const path = join(host.root, "run/secrets/a");
    assert.deepEqual(await checkFiles({ services: [service] }, host), []);
    await chmod(path, 0o644);
    const [found, ...more] = await checkFiles({ services: [service] }, host);
    assert.deepEqual([found?.service, found?.path, more], ["shop/api", path, []]);
    assert.match(found?.problem ?? "", /has mode 644, not 600/);
    await sink.write(bundle);
    assert.deepEqual(await checkFiles({ services: [service] }, host), []);
    assert.equal((await stat(path)).mode & 0o7777, 0o600);
  });

  test("files belong to the service's user, or are refused where they cannot (R45)", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver], { user: 12_345 });
    const sink = sinkOf(host, service);
    const bundle = bundleFor(service, { "shop/x": { files: { a: "1" } } });
    if (!isRoot) {
      await assert.rejects(
        sink.write(bundle),
        (error) => error instanceof DeliveryError && /uid 12345/.test(error.message),
      );
      return;
    }
    await sink.write(bundle);
    for (const path of ["run/secrets", "run/secrets/a"]) {
      assert.equal((await stat(join(host.root, path))).uid, 12_345, path);
    }
    const other = serviceOf("api", [...deliver], { user: 12_346 });
    const [found] = await checkFiles({ services: [other] }, host);
    assert.match(found?.problem ?? "", /belongs to uid 12345, not 12346/);
    await sinkOf(host, other).write({ ...bundle, service: other });
    assert.equal((await stat(join(host.root, "run/secrets/a"))).uid, 12_346);
  });

  test("a user name is the host's own; one that it does not have is refused", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver], { user: "keyplane_nobody_has_this" });
    const bundle = bundleFor(service, { "shop/x": { files: { a: "1" } } });
    await assert.rejects(sinkOf(host, service).write(bundle), /no user keyplane_nobody_has_this/);
    assert.deepEqual(await readdir(host.root).catch(() => []), []);
  });

  test("nothing is written through a symbolic link, to a file or a folder", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const folder = join(host.root, "run/secrets");
    const target = join(host.root, "target");
    const bundle = bundleFor(service, { "shop/x": { files: { a: "value", b: "other" } } });
    await mkdir(folder, { recursive: true });
    await writeFile(target, "untouched");
    await symlink(target, join(folder, "b"));
    await assert.rejects(sinkOf(host, service).write(bundle), /symbolic link/);
    assert.equal(await readFile(target, "utf8"), "untouched");
    // Whole or not at all: the other file is not there either, nor what was staged for it.
    assert.deepEqual((await readdir(folder)).sort(), [".keyplane.lock", "b"]);

    const elsewhere = serviceOf("elsewhere", [{ to: "files", folder: "/linked" }]);
    const real = join(host.root, "real");
    await mkdir(real);
    await symlink(real, join(host.root, "linked"));
    await assert.rejects(sinkOf(host, elsewhere).write({ ...bundle, service: elsewhere }), /symbolic link/);
    assert.deepEqual(await readdir(real), []);
  });

  test("another name of a file (a hard link) keeps its content and its owner", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const folder = join(host.root, "run/secrets");
    const victim = join(host.root, "victim");
    await mkdir(folder, { recursive: true });
    await writeFile(victim, "value", { mode: 0o644 });
    await link(victim, join(folder, "a"));
    await sinkOf(host, service).write(bundleFor(service, { "shop/x": { files: { a: "value" } } }));
    assert.equal((await lstat(victim)).mode & 0o7777, 0o644);
    assert.equal((await lstat(join(folder, "a"))).mode & 0o7777, 0o600);
  });

  test("a reader sees the old content or the new, never a part, while it is written again and again", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const sink = sinkOf(host, service);
    const [long, short] = ["long".repeat(20_000), "s"];
    const write = (content: string) =>
      sink.write(bundleFor(service, { "shop/x": { files: { a: content } } }));
    await write(short);
    const path = join(host.root, "run/secrets/a");
    const reader = spawn(process.execPath, ["-e", readAllTheTime, path], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(reader.stdout, "data");
    for (let turn = 0; turn < 60; turn++) await write(turn % 2 === 0 ? long : short);
    const seen = once(reader.stdout, "data");
    reader.stdin.end();
    const { lengths, reads } = JSON.parse(String((await seen)[0]));
    assert.deepEqual(lengths.sort(), [1, long.length]);
    assert.ok(reads > 60, `${reads} reads`);
  });

  test("what a killed run left half-way is completed, and what it had staged is removed", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const sink = sinkOf(host, service);
    await sink.write(bundleFor(service, { "shop/x": { files: { a: "1", b: "1" } } }));
    const folder = join(host.root, "run/secrets");
    // Killed between two renames: one file is new, the manifest speaks of the old ones.
    await writeFile(join(folder, "a"), "2");
    await writeFile(join(folder, ".keyplane-0123456789ab.tmp"), "2");
    assert.equal(
      await sink.write(bundleFor(service, { "shop/x": { version: 2, files: { a: "2", b: "2" } } })),
      true,
    );
    assert.deepEqual((await readdir(folder)).sort(), [".keyplane.json", ".keyplane.lock", "a", "b"]);
    assert.equal(await readFile(join(folder, "b"), "utf8"), "2");
  });

  test("what another run is staging at the same moment is left to it; what a dead one staged is not", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const sink = sinkOf(host, service);
    await sink.write(bundleFor(service, { "shop/x": { files: { a: "1" } } }));
    const folder = join(host.root, "run/secrets");
    const alive = `.keyplane-${process.ppid}-0123456789ab.tmp`;
    // The largest process id that Linux gives is 4194304.
    const dead = ".keyplane-4194305-0123456789ab.tmp";
    for (const name of [alive, dead]) await writeFile(join(folder, name), "2");
    await sink.write(bundleFor(service, { "shop/x": { version: 2, files: { a: "2" } } }));
    assert.deepEqual((await readdir(folder)).sort(), [alive, ".keyplane.json", ".keyplane.lock", "a"].sort());
  });

  test("a secret that a service no longer reads goes, and what it never had is left alone", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const sink = sinkOf(host, service);
    await sink.write(
      bundleFor(service, { "shop/x": { files: { a: "1" } }, "shop/y": { files: { b: "2" } } }),
    );
    const folder = join(host.root, "run/secrets");
    await writeFile(join(folder, "foreign"), "someone's");
    assert.equal(await sink.write(bundleFor(service, { "shop/x": { files: { a: "1" } } })), true);
    assert.deepEqual((await readdir(folder)).sort(), [".keyplane.json", ".keyplane.lock", "a", "foreign"]);
  });

  test("a value that vanished from Vault stays with the service that runs with it", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const sink = sinkOf(host, service);
    await sink.write(
      bundleFor(service, { "shop/x": { files: { a: "1" } }, "shop/y": { files: { b: "2" } } }),
    );
    const without = bundleFor(service, { "shop/x": { files: { a: "3" } } });
    without.missing.push({ variable: "B_FILE", secret: "shop/y" });
    await assert.rejects(sink.write(without), /shop\/y.*no longer has/);
    assert.equal(await readFile(join(host.root, "run/secrets/a"), "utf8"), "1");
    assert.equal(await readFile(join(host.root, "run/secrets/b"), "utf8"), "2");
  });

  test("a runner that was held up does not bring back what another one has replaced", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...deliver]);
    const sink = sinkOf(host, service);
    const at = (version: number, day: number) =>
      bundleFor(service, {
        "shop/x": { version, writtenAt: `2026-01-0${day}T00:00:00Z`, files: { a: `${version}` } },
      });
    await sink.write(at(3, 3));
    await assert.rejects(sink.write(at(2, 2)), (error: Error) => {
      assert.ok(error instanceof StaleBundleError);
      assert.match(error.message, /^shop\/api has newer versions of shop\/x than/);
      return true;
    });
    assert.equal(await readFile(join(host.root, "run/secrets/a"), "utf8"), "3");
    // Set again after Vault went back: a lower number, and yet the later one.
    await sink.write(at(1, 4));
    assert.equal(await readFile(join(host.root, "run/secrets/a"), "utf8"), "1");
  });

  test("variables that are no files lie in an env-file of the service, with the paths as it sees them (R40)", async () => {
    await using host = await testHost();
    const overlay = { overlay: "o.yml", beside: "c.yml", folder: "./secrets", mount: "/run/secrets" };
    const service = serviceOf("api", [{ to: "compose-secrets", ...overlay }], { runsOn: "compose" });
    const bundle = bundleFor(
      service,
      { "shop/x": { variables: { KEY_ID: "v2" }, files: { key: "1" } } },
      { LAB: "true" },
    );
    await sinkOf(host, service).write(bundle);
    assert.equal(
      await readFile(join(host.root, "secrets/api.env"), "utf8"),
      "KEY_FILE='/run/secrets/key'\nKEY_ID='v2'\nLAB='true'\n",
    );
  });
});

describe("a folder that services share", () => {
  const [one, two] = [serviceOf("one", [...deliver]), serviceOf("two", [...deliver])];
  const shared = (version: number, writtenAt: string) => ({
    "shop/x": { version, writtenAt, files: { key: `value ${version} of ${writtenAt}` } },
  });

  test("holds what each is delivered, and a late write of one does not bring back an older value", async () => {
    await using host = await testHost();
    const sinks = [one, two].map((service) => sinkOf(host, service, [one, two]));
    const path = join(host.root, "run/secrets/key");
    const read = () => readFile(path, "utf8");
    await sinks[0]?.write(
      bundleFor(one, { ...shared(1, "2026-01-01T00:00:00Z"), "shop/own": { files: { own: "1" } } }),
    );
    await sinks[1]?.write(bundleFor(two, shared(1, "2026-01-01T00:00:01Z")));
    assert.deepEqual((await readdir(join(host.root, "run/secrets"))).sort(), [
      ".keyplane.json",
      ".keyplane.lock",
      "key",
      "own",
    ]);
    await sinks[0]?.write(
      bundleFor(one, { ...shared(2, "2026-01-02T00:00:00Z"), "shop/own": { files: { own: "1" } } }),
    );
    assert.equal(await read(), "value 2 of 2026-01-02T00:00:00Z");
    // Another secret's rotation writes the second service again, whose own path is behind.
    await sinks[1]?.write(bundleFor(two, shared(1, "2026-01-01T00:00:01Z")));
    assert.equal(await read(), "value 2 of 2026-01-02T00:00:00Z");
    // Rolled back: an older value, written later, is the right one.
    await sinks[0]?.write(bundleFor(one, shared(3, "2026-01-03T00:00:00Z")));
    assert.equal(await read(), "value 3 of 2026-01-03T00:00:00Z");
  });

  test("keeps a file that the other still reads", async () => {
    await using host = await testHost();
    const sinks = [one, two].map((service) => sinkOf(host, service, [one, two]));
    await sinks[0]?.write(bundleFor(one, shared(1, "2026-01-01T00:00:00Z")));
    await sinks[1]?.write(bundleFor(two, shared(1, "2026-01-01T00:00:01Z")));
    await sinks[0]?.write(bundleFor(one, {}));
    assert.deepEqual((await readdir(join(host.root, "run/secrets"))).sort(), [
      ".keyplane.json",
      ".keyplane.lock",
      "key",
    ]);
    await sinks[1]?.write(bundleFor(two, {}));
    assert.deepEqual(await readdir(join(host.root, "run/secrets")), [".keyplane.json", ".keyplane.lock"]);
  });

  test("holds one secret under one name: another is refused", async () => {
    await using host = await testHost();
    await sinkOf(host, one, [one, two]).write(bundleFor(one, shared(1, "2026-01-01T00:00:00Z")));
    const other = bundleFor(two, { "shop/y": { files: { key: "other" } } });
    await assert.rejects(
      sinkOf(host, two, [one, two]).write(other),
      /is that of another secret of shop\/one/,
    );
  });

  test("loses nothing when several runners write it at once", async () => {
    await using host = await testHost();
    const services = Array.from({ length: 6 }, (_, index) => serviceOf(`s${index}`, [...deliver]));
    await Promise.all(
      services.map((service, index) =>
        sinkOf(host, service, services).write(
          bundleFor(service, { [`shop/x${index}`]: { files: { [`f${index}`]: String(index) } } }),
        ),
      ),
    );
    const { services: known } = JSON.parse(
      await readFile(join(host.root, "run/secrets/.keyplane.json"), "utf8"),
    );
    assert.deepEqual(
      Object.keys(known).sort(),
      services.map(({ id }) => id),
    );
  });

  test("is passed through by several users, each of whom reads its own files only (R45)", async () => {
    await using host = await testHost();
    const [user, other] = [
      serviceOf("user", [...deliver], { user: process.geteuid?.() ?? 0 }),
      serviceOf("other", [...deliver], { user: 12_345 }),
    ];
    await sinkOf(host, user, [user, other]).write(bundleFor(user, { "shop/x": { files: { a: "1" } } }));
    assert.equal((await stat(join(host.root, "run/secrets"))).mode & 0o7777, 0o711);
    if (!isRoot) return;
    await sinkOf(host, other, [user, other]).write(bundleFor(other, { "shop/x": { files: { b: "1" } } }));
    assert.equal((await stat(join(host.root, "run/secrets/b"))).uid, 12_345);
    await assert.rejects(
      sinkOf(host, other, [user, other]).write(bundleFor(other, { "shop/x": { files: { a: "1" } } })),
      /only one can own it/,
    );
  });
});

/** Reads a file until its standard input ends; then prints the lengths that it saw. */
const readAllTheTime = `
  const { readFileSync } = require("node:fs");
  const lengths = new Set();
  let reads = 0;
  const read = () => { lengths.add(readFileSync(process.argv[1], "utf8").length); reads++; timer = setImmediate(read); };
  let timer = setImmediate(read);
  process.stdin.on("end", () => { clearImmediate(timer); console.log(JSON.stringify({ lengths: [...lengths], reads })); }).resume();
  console.log("reading");
`;
