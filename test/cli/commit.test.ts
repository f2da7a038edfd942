import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { commitOf } from "../../cli/commit.ts";
import { TestRepository } from "../operations/scan/repositories.ts";

test("evidence is of a commit only where the whole repository is what the commit says (R25)", async () => {
  const repository = await TestRepository.make({
    "catalogue/organization.yaml": "a: 1\n",
    "policies/a.ts": "export {};\n",
    ".gitignore": ".keyplane/\n",
  });
  const catalogue = join(repository.root, "catalogue");
  const commit = repository.git("rev-parse", "HEAD");
  await repository.write({ ".keyplane/lambdas/a.js": "made here" });
  assert.equal(await commitOf(catalogue), commit);
  for (const [file, text] of [
    ["catalogue/organization.yaml", "a: 2\n"],
    ["policies/a.ts", "export const rules = [];\n"],
    ["infra/new.ts", "export {};\n"],
  ] as const) {
    await repository.write({ [file]: text });
    assert.equal(await commitOf(catalogue), undefined, file);
    if (file.startsWith("infra/")) await rm(join(repository.root, file));
    else repository.git("checkout", "--", file);
    assert.equal(await commitOf(catalogue), commit, file);
  }
  assert.equal(await commitOf("/"), undefined);
});
