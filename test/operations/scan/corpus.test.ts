import assert from "node:assert/strict";
import { test } from "node:test";
import { scanContent } from "../../../operations/scan/content.ts";
import { syntaxOf } from "../../../operations/scan/syntax.ts";
import { type Corpus, corpus } from "./corpus/corpus.ts";
import { score } from "./corpus/score.ts";

const seeds =
  process.env.KEYPLANE_SCALE === "prove" ? Array.from({ length: 40 }, (_, at) => at + 1) : [1, 2, 3];

function found(made: Corpus) {
  return [...made.files].flatMap(([path, text]) =>
    scanContent(Buffer.from(text), { syntax: syntaxOf(path) }).detections.map(({ line }) => ({ path, line })),
  );
}

test("the corpus has at least 300 values and 3,000 look-alikes, and is the same for the same seed", () => {
  const [first, again, other] = [corpus(1), corpus(1), corpus(2)];
  const total = [...first.lookAlikes.values()].reduce((sum, count) => sum + count, 0);
  assert.ok(first.planted.length >= 300, `${first.planted.length} values`);
  assert.ok(total >= 3000, `${total} look-alikes`);
  assert.deepEqual(again, first);
  assert.notDeepEqual(other.files, first.files);
});

test("each planted value stands on its lines", () => {
  const { files, planted } = corpus(1);
  for (const { path, first, last, value } of planted) {
    const lines = (files.get(path) ?? "").split("\n").slice(first - 1, last);
    assert.ok(lines.join("\n").includes(value), `${path}:${first}`);
  }
});

for (const seed of seeds) {
  test(`of corpus ${seed} at least 98 % is found, and 98 % of what is found is planted (R55, R61)`, () => {
    const made = corpus(seed);
    const { recall, precision, missed, wrong } = score(made, found(made));
    const names = missed.map(({ family, place }) => `${family} (${place})`).join(", ");
    assert.ok(recall >= 0.98, `recall ${recall}: missed ${names}`);
    assert.ok(
      precision >= 0.98,
      `precision ${precision}: ${wrong.map(({ path, line }) => `${path}:${line}`).join(", ")}`,
    );
  });
}

test("a scanner that finds nothing, or every line, scores so", () => {
  const made = corpus(1);
  assert.deepEqual([score(made, []).recall, score(made, []).precision], [0, 1]);
  const everything = [...made.files].flatMap(([path, text]) =>
    text.split("\n").map((_, index) => ({ path, line: index + 1 })),
  );
  const all = score(made, everything);
  assert.equal(all.recall, 1);
  assert.ok(all.precision < 0.2, String(all.precision));
});
