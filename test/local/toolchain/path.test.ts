import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { test } from "node:test";
import { folder, gadget, official, place, script, vendorOf, world } from "./fakes.ts";

test("uses the exact version on PATH, downloads nothing and makes no cache", async (t) => {
  const { url, paths } = await vendorOf(t, official);
  const bin = await folder(t);
  await place(join(bin, "gadget"), script("gadget", "1.2.3"));
  const { toolchain, report, steps, cached } = await world(t, [gadget(url)], {
    environment: { PATH: `${bin}:/bin:/usr/bin` },
  });
  assert.equal(await toolchain.find("gadget", report), join(bin, "gadget"));
  assert.deepEqual(paths, []);
  assert.deepEqual(steps, [
    { subject: "gadget", state: "unchanged", text: `1.2.3, on PATH: ${join(bin, "gadget")}` },
  ]);
  await assert.rejects(cached(), { code: "ENOENT" });
});

for (const version of ["1.2.2", "1.2.30", "1.2.3+ent", "1.2.3-rc1", "11.2.3"])
  test(`passes over ${version} on PATH when 1.2.3 is pinned`, async (t) => {
    const { url } = await vendorOf(t, official);
    const bin = await folder(t);
    await place(join(bin, "gadget"), script("gadget", version));
    const { toolchain, report, settings } = await world(t, [gadget(url)], {
      environment: { PATH: `${bin}:/bin:/usr/bin` },
    });
    assert.equal(
      await toolchain.find("gadget", report),
      join(settings.cache, "gadget-1.2.3-linux-amd64", "gadget"),
    );
  });

test("looks behind a wrong version, a folder and an unreadable file of that name on PATH", async (t) => {
  const { url } = await vendorOf(t, official);
  const [wrong, directory, plain, broken, right] = await Promise.all([0, 0, 0, 0, 0].map(() => folder(t)));
  assert.ok(wrong && directory && plain && broken && right);
  await place(join(wrong, "gadget"), script("gadget", "1.0.0"));
  await place(join(directory, "gadget", "file"), "");
  await writeFile(join(plain, "gadget"), script("gadget", "1.2.3"), { mode: 0o644 });
  await place(join(broken, "gadget"), "#!/bin/sh\nexit 1\n");
  await place(join(right, "gadget"), script("gadget", "1.2.3"));
  await chmod(join(plain, "gadget"), 0o644);
  const PATH = [wrong, directory, plain, broken, right, "/bin", "/usr/bin"].join(":");
  const { toolchain, report } = await world(t, [gadget(url)], { environment: { PATH } });
  assert.equal(await toolchain.find("gadget", report), join(right, "gadget"));
});

test("never runs what a relative entry of PATH would find", async (t) => {
  const { url } = await vendorOf(t, official);
  const bin = await folder(t);
  await place(join(bin, "gadget"), script("gadget", "1.2.3"));
  const { toolchain, report } = await world(t, [gadget(url)], {
    environment: { PATH: `${relative(process.cwd(), bin)}:/bin:/usr/bin` },
    ways: ["path"],
  });
  await assert.rejects(toolchain.find("gadget", report), { name: "ToolchainError" });
});

test("says which versions on PATH were passed over when nothing else is allowed", async (t) => {
  const { url, paths } = await vendorOf(t, official);
  const bin = await folder(t);
  await place(join(bin, "gadget"), script("gadget", "1.0.0"));
  const { toolchain, report } = await world(t, [gadget(url)], {
    environment: { PATH: `${bin}:/bin:/usr/bin` },
    ways: ["path"],
  });
  await assert.rejects(toolchain.find("gadget", report), (error: Error) => {
    assert.match(error.message, new RegExp(`on PATH: ${join(bin, "gadget")} is 1\\.0\\.0`));
    return true;
  });
  assert.deepEqual(paths, []);
});
