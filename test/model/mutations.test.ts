import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import { CatalogueError, loadCatalogueFrom } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Draw, Files, Mutation } from "./mutations/change.ts";
import { invalid } from "./mutations/invalid.ts";
import { valid } from "./mutations/valid.ts";
import { realFiles } from "./real.ts";

const seeds = process.env.KEYPLANE_SCALE === "prove" ? 20 : 1;
const right = valid.map(([name, change]): Mutation => ({ name, right: true, change }));
const wrong = invalid.map(([name, change]): Mutation => ({ name, right: false, change }));
const runs = process.env.KEYPLANE_SCALE === "prove" ? 10_000 : 300;

/** The five systems as data, with aliases written out. */
const real: Files = Object.fromEntries(
  Object.entries(realFiles()).map(([name, text]) => [name, JSON.parse(JSON.stringify(parse(text)))]),
);

/** The real catalogue after mutations, and those that applied. */
function mutate(chosen: Mutation[], draw: Draw): { texts: Record<string, string>; applied: Mutation[] } {
  const files = structuredClone(real);
  const edits: ((texts: Record<string, string>) => void)[] = [];
  const applied = chosen.filter(({ change }) => {
    const result = change(files, draw);
    if (typeof result === "function") edits.push(result);
    return result !== undefined;
  });
  const texts = Object.fromEntries(Object.entries(files).map(([name, data]) => [name, stringify(data)]));
  // At most one edit of the text, because two could undo each other; a wrong mutation comes last.
  edits.at(-1)?.(texts);
  return { texts, applied };
}

function problemsOf(texts: Record<string, string>): CatalogueError["problems"] {
  try {
    const catalogue = loadCatalogueFrom(texts, "");
    for (const environment of catalogue.systems.keys()) derive(catalogue, environment);
    return [];
  } catch (error) {
    if (error instanceof CatalogueError) return error.problems;
    throw error;
  }
}

function drawFrom(numbers: Iterator<number>): Draw {
  return (limit) => Number(numbers.next().value) % limit;
}

suite("mutated catalogues of the five systems", () => {
  test("every mutation applies to the real catalogue and has the outcome that it was made for", () => {
    for (const mutation of [...right, ...wrong]) {
      let outcomes = 0;
      for (let seed = 1; outcomes < seeds && seed <= 50 * seeds; seed++) {
        let state = seed * 7919;
        const draw: Draw = (limit) => {
          state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
          return Math.floor((state / 2_147_483_648) * limit);
        };
        const { texts, applied } = mutate([mutation], draw);
        if (applied.length === 0) continue;
        outcomes++;
        const problems = problemsOf(texts);
        assert.equal(
          problems.length === 0,
          mutation.right,
          `${mutation.name} ${seed}: ${problems[0]?.message}`,
        );
      }
      assert.equal(outcomes, seeds, `${mutation.name} applied`);
    }
  });
  test(`${runs} of them: every malformed one is refused with a position, no right one is`, () => {
    const seen = { right: 0, wrong: 0 };
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...right), { maxLength: 4 }),
        fc.option(fc.constantFrom(...wrong), { nil: undefined }),
        fc.infiniteStream(fc.nat()),
        (first, last, numbers) => {
          const draw = drawFrom(numbers);
          const { texts, applied } = mutate(last === undefined ? first : [...first, last], draw);
          const problems = problemsOf(texts);
          if (applied.some((mutation) => !mutation.right)) {
            seen.wrong++;
            assert.ok(problems.length > 0, applied.map(({ name }) => name).join(", "));
            for (const { file, line, column, message } of problems) {
              const lines = (texts[file] ?? "").split("\n");
              assert.ok(line >= 1 && line <= lines.length, `${file}:${line}`);
              assert.ok(
                column >= 1 && column <= (lines[line - 1]?.length ?? 0) + 1,
                `${file}:${line}:${column}`,
              );
              assert.match(message, /: |remove|give|write|take/);
            }
          } else {
            seen.right++;
            assert.deepEqual(problems, [], applied.map(({ name }) => name).join(", "));
          }
        },
      ),
      { numRuns: runs },
    );
    assert.ok(seen.right > runs / 20 && seen.wrong > runs / 3, JSON.stringify(seen));
  });
  test("a file that is cut or scrambled anywhere gives problems or a model, never another error", () => {
    const texts = realFiles();
    const names = Object.keys(texts);
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.nat(),
        fc.nat(),
        fc.oneof(
          fc.constantFrom("", "[", "{", "&a ", "*a", "? ", "- ", "\t", "'", '"', "|", ": ", "#"),
          fc.string(),
        ),
        (name, from, length, piece) => {
          const text = texts[name] ?? "";
          const at = from % text.length;
          const scrambled = `${text.slice(0, at)}${piece}${text.slice(at + (length % 200))}`;
          for (const { file, line } of problemsOf({ ...texts, [name]: scrambled })) {
            const lines = (file === name ? scrambled : (texts[file] ?? "")).split("\n").length;
            assert.ok(line >= 1 && line <= lines, `${file}:${line}`);
          }
        },
      ),
      { numRuns: process.env.KEYPLANE_SCALE === "prove" ? 3_000 : 100 },
    );
  });
});
