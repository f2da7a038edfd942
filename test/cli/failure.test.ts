import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../cli/exit.ts";
import { failure } from "../../cli/failure.ts";
import { VaultError } from "../../clients/vault.ts";
import { CatalogueError } from "../../model/catalogue.ts";
import { meanings } from "../../operations/errors.ts";

// What a comment of a pull request says of a command that came to no result.

const value = ["hunter2", "canary"].join("-");
const named = (name: string, message: string, more: object = {}) =>
  Object.assign(new Error(message), { name, ...more });

for (const [what, error, said] of [
  ["an error that nobody foresaw", new Error(`bad: ${value}`), "an unexpected Error"],
  ["a type error", new TypeError(`cannot read ${value}`), "an unexpected TypeError"],
  [
    "a driver's, which quotes a statement",
    named("DatabaseError", `ALTER USER x PASSWORD '${value}'`, { code: "42601" }),
    "an unexpected DatabaseError &#40;42601&#41;",
  ],
  [
    "a library's of a name of its own",
    named("YAMLParseError", `at ${value}`),
    "an unexpected YAMLParseError",
  ],
  [
    "one whose name and code hold it as well",
    named(value, value, { code: value.toLowerCase() }),
    "an unexpected error",
  ],
  ["one with a cause that holds it", new Error("x", { cause: new Error(value) }), "an unexpected Error"],
  ["several", new AggregateError([new Error(value)], value), "an unexpected AggregateError"],
  ["a text", value, "an unexpected error"],
  ["an object", { message: value }, "an unexpected error"],
] as const) {
  test(`the comment does not repeat what ${what} says, which may be a value (R54)`, () => {
    assert.equal(failure(error), `**failed**: ${said}: the run's log says more\n`);
  });
}

test("the comment repeats what our own errors say: they hold no value, and what to do", () => {
  assert.equal(failure(new UsageError("write one of a, b")), "**failed**: write one of a, b\n");
  assert.match(failure(new VaultError("GET", "sys/x", 403, ["permission denied"])), /permission denied/);
  const problem = { file: "a.yaml", line: 3, column: 1, message: "is no duration" };
  assert.equal(
    failure(new CatalogueError([problem])),
    "**failed**: 1 problem(s)\n\n- <code>a.yaml:3</code> is no duration\n",
  );
});

test("a name is ours only where the table has it, and not by what every object has", () => {
  for (const name of ["constructor", "toString", "__proto__"]) {
    assert.ok(!Object.hasOwn(meanings, name));
    assert.doesNotMatch(failure(named(name, value)), new RegExp(value));
  }
});
