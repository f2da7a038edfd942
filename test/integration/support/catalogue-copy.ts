import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The shipped catalogue in a folder of its own, with one place of a file changed: of the organization's by default. */
export async function copyCatalogue(
  from: RegExp,
  to: string,
  name = "organization.yaml",
): Promise<{ folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-catalogue-"));
  await cp("catalogue", folder, { recursive: true });
  const file = join(folder, name);
  const text = await readFile(file, "utf8");
  assert.match(text, from);
  await writeFile(file, text.replace(from, to));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
