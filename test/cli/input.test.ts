import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { askHidden, readAll, withoutLineBreak } from "../../cli/input.ts";
import { parseFields } from "../../cli/set.ts";

test("one line break at the end is not part of a value", () => {
  assert.equal(withoutLineBreak("value\n"), "value");
  assert.equal(withoutLineBreak("value\r\n"), "value");
  assert.equal(withoutLineBreak("value\n\n"), "value\n");
  assert.equal(withoutLineBreak(" value "), " value ");
});

test("characters that were cut between two chunks are read whole", async () => {
  const bytes = Buffer.from("schlüssel");
  assert.equal(await readAll(Readable.from([bytes.subarray(0, 5), bytes.subarray(5)])), "schlüssel");
});

test("more than 1 MiB is refused", async () => {
  await assert.rejects(
    readAll(Readable.from(Array.from({ length: 17 }, () => Buffer.alloc(64 * 1024)))),
    /1 MiB/,
  );
});

class Terminal extends EventEmitter {
  raw = false;
  setRawMode(mode: boolean) {
    this.raw = mode;
    return this;
  }
  resume() {
    return this;
  }
  pause() {
    return this;
  }
}

function ask() {
  const terminal = new Terminal();
  const output = new PassThrough();
  // Of a terminal's stream only these are used.
  const answer = askHidden("key: ", terminal as unknown as Parameters<typeof askHidden>[1], output);
  const type = (text: string) => terminal.emit("data", Buffer.from(text));
  return { terminal, output, answer, type };
}

test("what is typed at the prompt is not shown", async () => {
  const { terminal, output, answer, type } = ask();
  assert.equal(terminal.raw, true);
  type("hun");
  type("tex\u007fr2\r");
  assert.equal(await answer, "hunter2");
  assert.equal(terminal.raw, false);
  assert.equal(String(output.read()), "key: \n");
});

test("a key of many lines is one answer, so that no line of it reaches the shell", async () => {
  const { answer, type } = ask();
  type("-----BEGIN PRIVATE KEY-----\rMC4CAQAw\r");
  type("-----END PRIVATE KEY-----\r");
  assert.equal(await answer, "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----");
});

test("Ctrl-C at the prompt gives up and restores the terminal", async () => {
  const { terminal, answer, type } = ask();
  type("hun\u0003");
  await assert.rejects(answer, /given up/);
  assert.equal(terminal.raw, false);
});

test("several fields are one JSON object of texts", () => {
  assert.deepEqual(parseFields('{"key": "a", "secret": "b"}', ["key", "secret"]), { key: "a", secret: "b" });
});

for (const text of [
  "hunter2",
  '"hunter2"',
  '["hunter2"]',
  '{"key": 2}',
  '{"kye": "hunter2"}',
  "{}",
  '{"key": "hunter2"',
  "null",
]) {
  test(`other input for several fields is refused and not repeated (R54): ${text}`, () => {
    assert.throws(
      () => parseFields(text, ["key", "secret"]),
      (error) => {
        assert.ok(error instanceof Error);
        assert.match(error.message, /one JSON object with the texts key, secret/);
        return !error.message.includes("hunter2") && !error.message.includes("kye");
      },
    );
  });
}
