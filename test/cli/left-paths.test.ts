import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TwoEnvironments } from "./two-environments.ts";

let at: TwoEnvironments;
before(async () => {
  at = await TwoEnvironments.start();
});
after(() => at?.[Symbol.asyncDispose]());

test("a path whose consumer the catalogue has no more is named by each command, and destroyed after a day by rotate --due", async () => {
  const { root } = at.staging;
  const path = "services/shop/gone/session";
  await root.write(`kv/data/${path}`, { data: { token: "was-a-value" } });
  const later = (text: string) =>
    assert.match(
      text,
      /^services\/shop\/gone\/session: the catalogue has no consumer of this path any more: its value would be destroyed after \d{4}-/m,
    );
  const due = ["rotate", "--due"];
  for (const args of [[...due, "--dry-run"], ["rotations"], due, ["rotations"]]) {
    const { stdout, stderr, code } = await at.run("staging", ...args);
    assert.equal(code, 0, stderr);
    later(stdout);
  }
  const named = await at.run("staging", "rotations", "shop/session");
  assert.doesNotMatch(named.stdout, /gone/);
  assert.ok(await root.read(`kv/data/${path}`));

  await root.write("kv/data/rotation/left-paths", { data: { [path]: "2026-01-01T00:00:00.000Z" } });
  const dry = await at.run("staging", ...due, "--dry-run");
  assert.match(dry.stdout, /services\/shop\/gone\/session: .* its value would be destroyed now\./);
  assert.ok(await root.read(`kv/data/${path}`));
  const end = await at.run("staging", ...due);
  assert.match(end.stdout, /services\/shop\/gone\/session: .* its value is destroyed\./);
  assert.equal((await root.read<{ data: unknown }>(`kv/data/${path}`))?.data ?? undefined, undefined);
  assert.doesNotMatch((await at.run("staging", ...due)).stdout, /gone/);
});
