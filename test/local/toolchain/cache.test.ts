import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFile, mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gadget, official, place, script, texts, vendor, vendorOf, world } from "./fakes.ts";

const entry = "gadget-1.2.3-linux-amd64";

test("takes a tool from the cache without asking the vendor again", async (t) => {
  const { url, paths } = await vendorOf(t, official);
  const { toolchain, report, again, steps } = await world(t, [gadget(url)]);
  const first = await toolchain.find("gadget", report);
  steps.length = 0;
  assert.equal(await again().find("gadget", report), first);
  assert.equal(paths.length, 1);
  assert.deepEqual(steps, [{ subject: "gadget", state: "unchanged", text: "1.2.3, from the cache" }]);
});

test("downloads once when one process asks many times at the same time", async (t) => {
  const { url, paths } = await vendorOf(t, official);
  const { toolchain, report } = await world(t, [gadget(url)]);
  const found = await Promise.all([0, 1, 2, 3].map(() => toolchain.find("gadget", report)));
  assert.equal(new Set(found).size, 1);
  assert.equal(paths.length, 1);
});

test("a process finds a tool once: the second time nothing is read or said", async (t) => {
  const { url } = await vendorOf(t, official);
  const { toolchain, report, steps, settings } = await world(t, [gadget(url)]);
  const first = await toolchain.find("gadget", report);
  steps.length = 0;
  await rm(settings.cache, { recursive: true });
  assert.equal(await toolchain.find("gadget", report), first);
  assert.deepEqual(steps, []);
});

test("tries again in the same process after a failure", async (t) => {
  let answers = 0;
  const { url } = await vendor(t, (_, response) => {
    answers++;
    if (answers === 1) response.writeHead(500).end();
    else response.end(official);
  });
  const { toolchain, report } = await world(t, [gadget(url)], { ways: ["download"] });
  await assert.rejects(toolchain.find("gadget", report), /the server answered 500/);
  assert.match(await toolchain.find("gadget", report), /gadget$/);
});

const damages: [string, (folder: string) => Promise<void>, string][] = [
  ["truncated", (at) => truncate(join(at, "gadget"), 10), "gadget is not the file that was put there"],
  ["changed", (at) => appendFile(join(at, "gadget"), "evil\n"), "gadget is not the file that was put there"],
  ["changed, of the same size and time", sameSizeAndTime, "gadget is not the file that was put there"],
  ["gone", (at) => rm(join(at, "gadget")), "gadget is not the file that was put there"],
  ["without a record", (at) => rm(join(at, "entry.json")), "it has no record of its checksums"],
  ["with half a record", (at) => truncate(join(at, "entry.json"), 20), "its record does not name gadget"],
  [
    "with an empty record",
    (at) => writeFile(join(at, "entry.json"), "{}"),
    "its record does not name gadget",
  ],
  [
    "with a record of null",
    (at) => writeFile(join(at, "entry.json"), "null"),
    "its record does not name gadget",
  ],
];
for (const [how, damage, reason] of damages)
  test(`replaces a cached tool that is ${how}, and says so`, async (t) => {
    const { url, paths } = await vendorOf(t, official);
    const { toolchain, report, again, settings, steps, cached } = await world(t, [gadget(url)]);
    const file = await toolchain.find("gadget", report);
    // Once more: it is now known to be sound.
    await again().find("gadget", report);
    await damage(join(settings.cache, entry));
    steps.length = 0;
    assert.equal(await again().find("gadget", report), file);
    assert.deepEqual(await readFile(file), official);
    assert.equal(paths.length, 2);
    assert.equal(texts(steps, "progress")[0], `not using the cached one: ${reason}`);
    assert.deepEqual(await cached(), [entry]);
  });

async function sameSizeAndTime(at: string): Promise<void> {
  const file = join(at, "gadget");
  const old = join(at, "old");
  // To the nanosecond, which utimes cannot say.
  execFileSync("cp", ["-p", file, old]);
  await writeFile(file, (await readFile(file)).reverse());
  execFileSync("touch", ["-r", old, file]);
  await rm(old);
}

test("keeps a damaged tool away also when it cannot be had again", async (t) => {
  const { url } = await vendorOf(t, official);
  const { toolchain, report, again, settings } = await world(t, [gadget(url)]);
  await toolchain.find("gadget", report);
  await truncate(join(settings.cache, entry, "gadget"), 10);
  await assert.rejects(again({ ways: ["build"] }).find("gadget", report), { name: "ToolchainError" });
});

test("trusts nothing that a run which died left beside the entry, and removes it", async (t) => {
  const { url } = await vendorOf(t, official);
  const { toolchain, report, settings, cached } = await world(t, [gadget(url)]);
  const dead = Number(execFileSync("/bin/sh", ["-c", "echo $$"], { encoding: "utf8" }));
  for (const left of [`${entry}.new-${dead}-a1B2c3`, `${entry}.old-${dead}-1795376263069`])
    await place(join(settings.cache, left, "gadget"), script("gadget", "1.2.3", "left over"));
  const file = await toolchain.find("gadget", report);
  assert.equal(execFileSync(file, { encoding: "utf8" }), "gadget v1.2.3\nofficial\n");
  assert.deepEqual(await cached(), [entry]);
});

test("leaves what another version, or another run that lives, has beside the entry", async (t) => {
  const { url } = await vendorOf(t, official);
  const { toolchain, report, settings, cached } = await world(t, [gadget(url)]);
  const others = [`${entry}.new-${process.pid}-a1B2c3`, "gadget-1.2.4-linux-amd64"];
  for (const other of others) await mkdir(join(settings.cache, other), { recursive: true });
  await toolchain.find("gadget", report);
  assert.deepEqual(await cached(), [entry, ...others].sort());
});

test("says what is wrong with the cache when nothing can be put there", async (t) => {
  const { url } = await vendorOf(t, official);
  const { toolchain, report, settings } = await world(t, [gadget(url)]);
  await writeFile(settings.cache, "a file where the folder should be");
  await assert.rejects(toolchain.find("gadget", report), (error: Error) => {
    assert.equal(error.name, "ToolchainError");
    assert.ok(
      error.message.includes(`\n  - the cache: EEXIST: file already exists, mkdir '${settings.cache}'`),
    );
    return true;
  });
});
