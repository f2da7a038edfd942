import assert from "node:assert/strict";
import { test } from "node:test";
import type { Run } from "../../../operations/rotation/run.ts";
import { isUntouched } from "../../../operations/rotation/steps/consumer.ts";
import type { Stand } from "../../../operations/values/deliver.ts";

const run = { journal: { id: "this", from: 3, to: 4, final: 5 } } as Run;

for (const [source, rotation, expected, what] of [
  [3, undefined, true, "the version before"],
  [3, "earlier", true, "the version before, that an earlier rotation brought"],
  [5, "earlier", true, "the same content under a renewed record"],
  [5, "none", true, "the same content under a renewed record, which `up` or `set` had brought"],
  [4, "this", false, "the new version"],
  [5, "this", false, "the old content, brought again after the new one"],
  [5, undefined, false, "either of the two, by a runner that named no rotation"],
  [0, undefined, false, "something that nobody knows"],
] as const) {
  test(`a path with ${what} is ${expected ? "untouched" : "touched"} by a rotation (R32, R34)`, () => {
    assert.equal(isUntouched(run, { source, rotation } as Stand), expected);
  });
}
