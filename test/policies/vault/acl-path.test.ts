import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { aclPath, meets, within } from "../../../policies/vault/acl-path.ts";
import { AclPlaces } from "../../../policies/vault/acl-places.ts";

/** What Vault does with a request's path: hashicorp/vault v1.21.1 vault/acl.go, one pattern at a time. */
function admits(pattern: string, path: string): boolean {
  const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const glob = pattern.endsWith("*");
  const segments = (glob ? pattern.slice(0, -1) : pattern).split("/");
  const source = segments.map((each) => (each === "+" ? "[^/]*" : literal(each))).join("/");
  return new RegExp(`^${source}${glob ? ".*" : ""}$`, "s").test(path);
}

/** Every path of up to three segments of a small alphabet, and some of four, so that a set of paths can be looked at as a whole. */
const words = ["", "a", "b", "ab", "ba", "aa", "aab"];
const paths = words.flatMap((one) => [
  one,
  ...words.flatMap((two) => [
    `${one}/${two}`,
    ...words.flatMap((three) => [`${one}/${two}/${three}`, `${one}/${two}/${three}/a`]),
  ]),
]);
const segment = fc.constantFrom("a", "b", "ab", "+");
const pattern = fc
  .tuple(fc.array(segment, { maxLength: 2 }), fc.constantFrom("a", "b", "ab", "+", "*", "a*", "ab*"))
  .map(([first, last]) => [...first, last].join("/"));

test("two patterns meet exactly where one path is for both", () => {
  fc.assert(
    fc.property(pattern, pattern, (one, other) => {
      const both = paths.some((path) => admits(one, path) && admits(other, path));
      assert.equal(meets(aclPath(one), aclPath(other)), both);
    }),
    { numRuns: 500 },
  );
});

test("a pattern lies within another exactly where each of its paths is one of the other's", () => {
  fc.assert(
    fc.property(pattern, pattern, (one, other) => {
      const all = paths.filter((path) => admits(one, path)).every((path) => admits(other, path));
      assert.equal(within(aclPath(one), aclPath(other)), all);
    }),
    { numRuns: 500 },
  );
});

test("what depends on who logs in may be anything from there on", () => {
  const own = aclPath("kv/data/{{identity.entity.name}}/x");
  assert.equal(meets(own, aclPath("kv/data/source/titan")), true);
  assert.equal(within(own, aclPath("kv/data/+/x")), false);
  assert.equal(within(own, aclPath("kv/data/*")), true);
});

test("of many places none that a path has to do with is left out", () => {
  const beginningWithWord = pattern.filter((place) => /^[ab]+(\/|$)/.test(place));
  fc.assert(
    fc.property(pattern, fc.array(beginningWithWord, { maxLength: 12 }), (path, many) => {
      const requests = aclPath(path);
      const all = many.map((place) => ({ at: aclPath(place) }));
      const near = new AclPlaces(all).near(requests);
      const related = ({ at }: { at: readonly string[] }) => meets(requests, at) || within(requests, at);
      assert.deepEqual(near.filter(related), all.filter(related));
    }),
    { numRuns: 1000 },
  );
});
