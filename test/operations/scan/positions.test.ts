import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Reading, scanContent } from "../../../operations/scan/content.ts";
import { Scanner } from "../../../operations/scan/scanner.ts";
import { sample } from "./plant.ts";

const numRuns = process.env.KEYPLANE_SCALE === "prove" ? 5000 : 300;
const token = sample("GitHub personal token");
/** Text in which nothing is found: letters of several alphabets, and what begins some anchors. */
const filler = fc
  .array(
    fc.constantFrom(
      "a",
      "é",
      "漢",
      "😀",
      " ",
      "\t",
      "\n",
      "\r\n",
      "gh",
      "p_",
      "eyJ",
      "://",
      "-----BEGIN ",
      "\u0001",
    ),
    { maxLength: 200 },
  )
  .map((parts) => parts.join(""));

/** Where a value stands, as an editor says it. */
function placeIn(text: string, value: string): { line: number; column: number } {
  const before = text.slice(0, text.indexOf(value));
  const lines = before.split("\n");
  return { line: lines.length, column: (lines.at(-1) ?? "").length + 1 };
}

test("line and column are those of the value, whatever letters and line ends stand before it", () => {
  fc.assert(
    fc.property(filler, filler, (before, after) => {
      const text = `${before} ${token} ${after}`;
      const { detections } = scanContent(Buffer.from(text));
      assert.deepEqual(
        detections.map(({ line, column, length }) => ({ line, column, length })),
        [{ ...placeIn(text, token), length: token.length }],
      );
    }),
    { numRuns },
  );
});

test("a stream says the same in whatever pieces it comes", () => {
  const random = fc
    .array(fc.oneof(filler, fc.constant(` ${token} `)), { minLength: 1, maxLength: 20 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(
      random,
      fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 30 }),
      (text, cuts) => {
        const bytes = Buffer.from(text.repeat(40));
        const scanner = new Scanner();
        const found = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1;
          found.push(...scanner.push(bytes.subarray(at, at + size)));
          at += size;
        }
        found.push(...scanner.end());
        assert.deepEqual(found, scanContent(bytes).detections);
      },
    ),
    { numRuns: Math.ceil(numRuns / 10) },
  );
});

test("UTF-16 that was cut in the middle of a letter is read as far as it goes", () => {
  const text = Buffer.from(`token = "${sample("GitHub personal token", 1)}"\n`, "utf16le").swap16();
  const cut = Buffer.concat([Buffer.from([0xfe, 0xff]), text, Buffer.from("x")]);
  assert.equal(scanContent(cut).detections.length, 1);
});

test("UTF-16 with its mark is read as text, in both orders", () => {
  const text = `first\r\nüber ${token}\r\n`;
  const little = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);
  const big = Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(text, "utf16le").swap16()]);
  for (const bytes of [little, big]) {
    assert.deepEqual(
      scanContent(bytes).detections.map(({ line, column }) => [line, column]),
      [[2, 6]],
    );
  }
});

test("UTF-16 without its mark is read as text, in both orders", () => {
  const text = Buffer.from(`first\r\nsecond ${token}\r\n`, "utf16le");
  for (const bytes of [text, Buffer.from(text).swap16()]) {
    assert.deepEqual(
      scanContent(bytes).detections.map(({ line, column }) => [line, column]),
      [[2, 8]],
    );
  }
});

test("UTF-16 that comes in pieces of odd length is read whole", () => {
  const marked = Buffer.concat([
    Buffer.from([0xff, 0xfe]),
    Buffer.from(`${"x".repeat(99)}\n${token}\n`, "utf16le"),
  ]);
  const reading = new Reading();
  const found = [];
  for (let at = 0; at < marked.length; at += 7) found.push(...reading.push(marked.subarray(at, at + 7)));
  found.push(...reading.end());
  assert.deepEqual(found, scanContent(marked).detections);
  assert.equal(found.length, 1);
});

test("bytes that are no UTF-8 hide nothing", () => {
  const bytes = Buffer.concat([
    Buffer.from([0xff, 0xc3, 0x28, 0xa0, 0xa1, 0x0a, 0xe2, 0x28]),
    Buffer.from(` ${token}`),
  ]);
  assert.deepEqual(
    scanContent(bytes).detections.map(({ line }) => line),
    [2],
  );
});

test("in what is no text tokens are found by their form, and assignments are not looked for", () => {
  const bytes = Buffer.from(`\0\u0001${token}\0\npassword = "${sample("generated password")}"\n`);
  assert.deepEqual(
    scanContent(bytes).detections.map(({ kind }) => kind.id),
    ["github-token"],
  );
});

test("any bytes at all are scanned without an error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      for (const syntax of ["code", "plain"] as const) scanContent(Buffer.from(bytes), { syntax });
    }),
    { numRuns },
  );
});
