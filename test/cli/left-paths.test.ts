import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TwoEnvironments } from "./two-environments.ts";

let at: TwoEnvironments;
before(async () => {
  at = await TwoEnvironments.start();
});
after(() => at?.[Symbol.asyncDispose]());

test("a path whose consumer the catalogue has no more is named with what removes it, and no rotation destroys what it holds", async () => {
  const { root } = at.staging;
  const path = "services/shop/gone/session";
  await root.write(`kv/data/${path}`, { data: { token: "was-a-value" } });
  for (const args of [["rotate", "--due", "--dry-run"], ["rotations"], ["rotate", "--due"], ["rotations"]]) {
    const { stdout, stderr, code } = await at.run("staging", ...args);
    assert.equal(code, 0, stderr);
    if (args.at(-1) === "--due") continue;
    assert.match(
      stdout,
      /^services\/shop\/gone\/session: the catalogue of this run has no consumer of this path; .*`vault kv metadata delete -mount=kv services\/shop\/gone\/session`/m,
    );
  }
  assert.doesNotMatch((await at.run("staging", "rotations", "shop/session")).stdout, /gone/);
  assert.ok((await root.read<{ data: unknown }>(`kv/data/${path}`))?.data);

  await root.delete(`kv/metadata/${path}`);
  assert.doesNotMatch((await at.run("staging", "rotations")).stdout, /gone/);
});
