import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sourcesFile } from "../../infra/lambda-code.ts";
import { bundles, freshBundles } from "../../local/lambdas.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { shippings } from "../../model/shipping.ts";

const folder = await mkdtemp(join(tmpdir(), "keyplane-lambdas-"));
after(() => rm(folder, { recursive: true }));
const catalogue = await loadCatalogue("catalogue");
const [staging, production] = [derive(catalogue, "staging"), derive(catalogue, "production")];
const code = (await bundles(folder, staging))["rotate-due"];
const [index, sources] = [join(code, "index.mjs"), sourcesFile(code)];
const made = await readFile(index, "utf8");

test("code that was made of today's sources is left as it is; what it reads of the model is written", async () => {
  await writeFile(index, "// left as it is");
  assert.equal((await freshBundles(folder, production))["rotate-due"], code);
  assert.equal(await readFile(index, "utf8"), "// left as it is");
  const carried = JSON.parse(await readFile(join(code, "model.json"), "utf8"));
  assert.deepEqual(carried, JSON.parse(JSON.stringify(shippings(production)["rotate-due"])));
});

for (const [what, spoil] of [
  ["whose source was another", async () => writeFile(sources, '{"lambdas/rotate-due/index.ts":"0"}')],
  ["that does not say what it was made of, since whoever made it was stopped half-way", () => rm(sources)],
  ["that is not there", () => rm(index)],
] as const) {
  test(`code ${what} is made anew, and says what it was made of`, async () => {
    const said = await readFile(sources, "utf8");
    await writeFile(index, "// of other sources");
    await spoil();
    await freshBundles(folder, staging);
    assert.equal(await readFile(index, "utf8"), made);
    assert.equal(await readFile(sources, "utf8"), said);
  });
}
