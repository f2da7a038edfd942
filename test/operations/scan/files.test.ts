import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { scanPaths } from "../../../operations/scan/scan.ts";
import { scanFile } from "../../../operations/scan/sources/file.ts";
import { scanFiles } from "../../../operations/scan/sources/files.ts";
import { filesIn } from "../../../operations/scan/sources/folder.ts";
import { syntaxOf } from "../../../operations/scan/syntax.ts";
import { sample } from "./plant.ts";

const folder = await mkdtemp(join(tmpdir(), "keyplane-scan-files-"));
after(() => rm(folder, { recursive: true, force: true }));
const filler = "const a = [1, 2, 3]; // nothing to see here\n".repeat(2500);
for (let at = 0; at < 200; at++) {
  const planted = at % 3 === 0 ? `token = "${sample("GitHub personal token", at)}"\n` : "";
  await writeFile(join(folder, `file-${String(at).padStart(3, "0")}.ts`), `${filler}${planted}`);
}
const paths = await filesIn([folder]);

test("on many processors the same is found as on one, in files that are worth them", async () => {
  const found = await scanFiles(paths, paths, new Map());
  const bytes = found.reduce((sum, file) => sum + file.bytes, 0);
  assert.ok(bytes > 20_000_000, "enough that others are started");
  const alone = paths.map((path, index) => ({ index, ...scanFile(path, { syntax: syntaxOf(path) }) }));
  assert.deepEqual(
    found.sort((a, b) => a.index - b.index),
    alone,
  );
  assert.equal(found.filter(({ detections }) => detections.length > 0).length, 67);
});

test("what detect-secrets knows is known on every processor", async () => {
  const { createHash } = await import("node:crypto");
  const hashes = new Map(
    paths.map((path, at) => [
      path,
      new Set([createHash("sha1").update(sample("GitHub personal token", at)).digest("hex")]),
    ]),
  );
  const found = await scanFiles(paths, paths, hashes);
  assert.deepEqual(
    [found.flatMap(({ detections }) => detections), found.reduce((sum, { allowed }) => sum + allowed, 0)],
    [[], 67],
  );
});

test("an interrupted scan ends with the signal's reason, also with others at work", async () => {
  const stop = new AbortController();
  const scan = scanFiles(paths, paths, new Map(), {
    signal: stop.signal,
    progress: (done) => void (done > 120 && stop.abort(new DOMException("stop", "AbortError"))),
  });
  await assert.rejects(scan, { name: "AbortError" });
});

test("a scan says how many compressed files it has not opened", async () => {
  const own = await mkdtemp(join(folder, "compressed-"));
  for (const name of ["a.tgz", "b.ZIP", "c.txt"]) await writeFile(join(own, name), "nothing");
  const { findings, skipped } = await scanPaths([own], { cwd: own });
  assert.deepEqual([findings, skipped], [[], ["2 compressed files, which are not opened"]]);
});

test("a file of a folder whose name is not UTF-8, and so is not read, is named", async () => {
  const own = await mkdtemp(join(folder, "named-"));
  await writeFile(Buffer.concat([Buffer.from(`${own}/caf`), Buffer.from([0xe9])]), "nothing");
  const { skipped } = await scanPaths([own], { cwd: own });
  assert.deepEqual(skipped, [`${own}/caf\ufffd: its name is not UTF-8, so it was not read: rename it`]);
});

test("a file that is gone, a folder in its place or a link is left out", async () => {
  const [first = ""] = paths;
  const link = join(folder, "link.ts");
  await symlink(first, link);
  const found = await scanFiles(
    [join(folder, "gone.ts"), folder, link, first],
    ["gone.ts", "folder", "link.ts", "first.ts"],
    new Map(),
  );
  assert.deepEqual(
    found.map(({ index }) => index),
    [3],
  );
});
