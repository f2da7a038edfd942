import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { zipSync } from "fflate";
import { create } from "tar";
import { unpack } from "../../../local/toolchain/archive.ts";
import type { Download } from "../../../local/toolchain/package.ts";
import { folder, gadget, official, place, sha256, vendorOf, world } from "./fakes.ts";

const members = { gadget: "gadget-1.2.3/bin/gadget" };

/** A tar.gz of the paths under a new folder in which `fill` made them. */
async function tarOf(
  test: TestContext,
  paths: string[],
  fill: (root: string) => Promise<unknown>,
  renamed?: string,
): Promise<string> {
  const root = join(await folder(test), "root");
  await mkdir(join(root, "gadget-1.2.3", "bin"), { recursive: true });
  await fill(root);
  const file = join(root, "..", "archive.tar.gz");
  const onWriteEntry = (entry: { path: string }) => {
    if (renamed !== undefined && entry.path.endsWith("evil")) entry.path = renamed;
  };
  await create({ file, gzip: true, cwd: root, onWriteEntry }, paths);
  return file;
}

async function zipOf(test: TestContext, entries: Record<string, Uint8Array>): Promise<string> {
  const file = join(await folder(test), "archive.zip");
  await writeFile(file, zipSync(entries));
  return file;
}

function download(format: Download["format"]): Download {
  return { url: "", sha256: "", format, members };
}

const executable = (root: string) => place(join(root, "gadget-1.2.3/bin/gadget"), official.toString());

test("takes only the named executable out of a tar.gz", async (t) => {
  const file = await tarOf(t, ["README", "gadget-1.2.3"], async (root) => {
    await executable(root);
    await writeFile(join(root, "README"), "read me");
    await writeFile(join(root, "gadget-1.2.3/bin/other"), "other");
  });
  const into = await folder(t);
  await unpack(file, download("tar.gz"), into);
  assert.deepEqual(await readdir(into), ["gadget"]);
  assert.deepEqual(await readFile(join(into, "gadget")), official);
  assert.equal(execFileSync(join(into, "gadget"), { encoding: "utf8" }), "gadget v1.2.3\nofficial\n");
});

test("takes only the named executable out of a zip, and makes it executable", async (t) => {
  const file = await zipOf(t, { "gadget-1.2.3/bin/gadget": official, LICENSE: Buffer.from("free") });
  const into = await folder(t);
  await unpack(file, download("zip"), into);
  assert.deepEqual(await readdir(into), ["gadget"]);
  assert.equal(execFileSync(join(into, "gadget"), { encoding: "utf8" }), "gadget v1.2.3\nofficial\n");
});

for (const path of ["../evil", "gadget-1.2.3/../../evil", "/evil"]) {
  test(`refuses a tar.gz that holds the path ${path}, and writes nothing`, async (t) => {
    const file = await tarOf(
      t,
      ["evil", "gadget-1.2.3"],
      async (root) => {
        await executable(root);
        await writeFile(join(root, "evil"), "evil");
      },
      path,
    );
    const parent = await folder(t);
    const into = join(parent, "into");
    await mkdir(into);
    await assert.rejects(unpack(file, download("tar.gz"), into), {
      name: "ArchiveError",
      message: `it holds a path that leads out of it: "${path}"`,
    });
    assert.deepEqual(await readdir(parent), ["into"]);
    assert.deepEqual(await readdir(into), []);
  });

  test(`refuses a zip that holds the path ${path}, and writes nothing`, async (t) => {
    const file = await zipOf(t, { [path]: Buffer.from("evil"), "gadget-1.2.3/bin/gadget": official });
    const parent = await folder(t);
    const into = join(parent, "into");
    await mkdir(into);
    await assert.rejects(unpack(file, download("zip"), into), {
      name: "ArchiveError",
      message: `it holds a path that leads out of it: "${path}"`,
    });
    assert.deepEqual(await readdir(parent), ["into"]);
    assert.deepEqual(await readdir(into), []);
  });
}

for (const target of ["/bin/sh", "../README"])
  test(`refuses a tar.gz in which the executable is a link to ${target}`, async (t) => {
    const file = await tarOf(t, ["gadget-1.2.3"], async (root) => {
      await writeFile(join(root, "gadget-1.2.3/README"), official);
      await symlink(target, join(root, "gadget-1.2.3/bin/gadget"));
    });
    const into = await folder(t);
    await assert.rejects(unpack(file, download("tar.gz"), into), {
      name: "ArchiveError",
      message: "it has no plain file gadget-1.2.3/bin/gadget",
    });
    assert.deepEqual(await readdir(into), []);
  });

test("refuses a zip without the executable, by name", async (t) => {
  const file = await zipOf(t, { "gadget-1.2.4/bin/gadget": official });
  await assert.rejects(unpack(file, download("zip"), await folder(t)), {
    name: "ArchiveError",
    message: "it has no plain file gadget-1.2.3/bin/gadget",
  });
});

for (const format of ["tar.gz", "zip"] as const)
  test(`refuses a ${format} that is none`, async (t) => {
    const file = join(await folder(t), "archive");
    await writeFile(file, "<html>Please log in</html>");
    await assert.rejects(unpack(file, download(format), await folder(t)), { name: "ArchiveError" });
  });

test("downloads, verifies and unpacks an archive, leaving only the executable and its record", async (t) => {
  const bytes = zipSync({ "gadget-1.2.3/bin/gadget": official });
  const { url } = await vendorOf(t, bytes);
  const { toolchain, report, settings } = await world(
    t,
    [gadget(url, { format: "zip", members, sha256: sha256(bytes) })],
    { ways: ["download"] },
  );
  await toolchain.find("gadget", report);
  const kept = await readdir(join(settings.cache, "gadget-1.2.3-linux-amd64"));
  assert.deepEqual(kept.sort(), ["entry.json", "gadget"]);
});
