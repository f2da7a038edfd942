import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Detector } from "../../../operations/scan/detector.ts";
import { reach } from "../../../operations/scan/detector.ts";
import { detectors } from "../../../operations/scan/detectors/index.ts";
import { Scanner } from "../../../operations/scan/scanner.ts";
import { alnum, Random } from "./corpus/random.ts";
import { sample } from "./plant.ts";

/** A scan that says how often detectors were asked: counted, where a clock would depend on the machine. */
function scanned(bytes: Buffer, piece = bytes.length) {
  const scanner = new Scanner();
  const detections = [];
  for (let at = 0; at < bytes.length; at += piece)
    detections.push(...scanner.push(bytes.subarray(at, at + piece)));
  detections.push(...scanner.end());
  return { asked: scanner.asked, detections };
}

suite("how often detectors are asked grows with the text and no faster", () => {
  const beginnings: Record<string, string> = {
    "keywords without an end": "password",
    "assignments without a value": "password=",
    "openings of quotes": 'password="',
    "beginnings of tokens": "eyJeyJ.",
    "beginnings of keys": ["-----BEGIN PRIV", "ATE KEY-----"].join(""),
    "beginnings of addresses": "a://b:",
    "words of headers": "bearer basic token ",
    "blank lines": "password =\n",
  };
  for (const [title, part] of Object.entries(beginnings)) {
    test(title, () => {
      const [small, large] = [2_000, 20_000].map((times) => scanned(Buffer.from(part.repeat(times))).asked);
      assert.ok((large ?? 0) <= 10.1 * (small ?? 0) + 10, `${small} → ${large}`);
      // At most a few of them begin at one place.
      assert.ok((large ?? 0) <= part.length * 20_000 * 2, `${large}`);
    });
  }
});

test("no detector looks farther than it may", () => {
  const value = new Random(1).text(`${alnum}+/_-.`, 3 * reach.ahead);
  for (const detector of detectors) {
    for (const anchor of detector.anchors) {
      const far = seen(detector, `${" ".repeat(2 * reach.behind)}${anchor}${value}`, 2 * reach.behind);
      assert.ok(far <= reach.ahead, `${detector.kind.id} looks ${far} characters ahead`);
    }
  }
});

/** The last character that changes what a detector finds: by cutting the text there. */
function seen(detector: Detector, text: string, at: number): number {
  const whole = detector.find(text, at, "plain");
  const cut = detector.find(text.slice(0, at + reach.ahead), at, "plain");
  return JSON.stringify(whole) === JSON.stringify(cut) ? 0 : text.length;
}

suite("what a detector finds does not depend on anything beyond its reach", () => {
  for (const family of ["signed JSON Web Token", "Anthropic key", "generated password", "database address"]) {
    test(family, () => {
      const value = sample(family);
      const line = `DB_PASSWORD="${value}"`;
      const near = scanned(Buffer.from(line));
      const far = scanned(Buffer.from(`${" ".repeat(100_000)}${line}${" ".repeat(100_000)}`));
      assert.equal(near.detections.length, 1);
      assert.deepEqual(
        far.detections.map(({ kind, length }) => [kind.id, length]),
        near.detections.map(({ kind, length }) => [kind.id, length]),
      );
    });
  }
});

test("a line of 20 MB without an end is scanned in windows, and its value is found at its column", () => {
  const token = sample("GitHub personal token");
  const long = Buffer.alloc(20_000_001, "ab ");
  const bytes = Buffer.concat([long, Buffer.from(`${token} `), long]);
  const { detections } = scanned(bytes, 65_536);
  assert.deepEqual(
    detections.map(({ line, column }) => [line, column]),
    [[1, long.length + 1]],
  );
});

test("a value on the edge of two pieces is found once", () => {
  const token = sample("GitHub personal token");
  for (const shift of [0, 1, 17, 39, 40]) {
    const bytes = Buffer.concat([
      Buffer.alloc(65_536 - shift, " "),
      Buffer.from(token),
      Buffer.alloc(200_000, " "),
    ]);
    assert.equal(scanned(bytes, 65_536).detections.length, 1, String(shift));
  }
});

test("a value that two detectors see, on the edge of two pieces, is found once", () => {
  const text = `https://user:${sample("GitHub personal token")}@git.example.com`;
  for (let shift = 0; shift <= text.length; shift++) {
    const before = Buffer.alloc(65_536 - reach.ahead - shift, " ");
    const bytes = Buffer.concat([before, Buffer.from(text), Buffer.alloc(100_000, " ")]);
    assert.equal(scanned(bytes, 65_536).detections.length, 1, `cut ${shift} characters behind its beginning`);
  }
});
