import assert from "node:assert/strict";
import { test } from "node:test";
import { planLines } from "../../cli/plan.ts";

const numbered = (operation: string, count: number) =>
  Array.from({ length: count }, (_, at) => `${operation} vault:index/policy:Policy p${at}`);

test("a dry run names what would be deleted first, then what would be made and changed", () => {
  assert.deepEqual(planLines(["create a:b:C one", "delete a:b:C two", "update a:b:C three"]), [
    "  delete a:b:C two",
    "  create a:b:C one",
    "  update a:b:C three",
  ]);
});

test("of a long plan every deletion is named, and how many other resources are not", () => {
  const lines = planLines([...numbered("create", 35), ...numbered("delete", 40)]);
  assert.equal(lines.length, 40 + 30 + 1);
  assert.equal(lines.filter((line) => line.startsWith("  delete ")).length, 40);
  assert.equal(lines.at(-1), "  … and 5 more: --json names all");
});
