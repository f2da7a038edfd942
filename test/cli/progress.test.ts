import assert from "node:assert/strict";
import { test } from "node:test";
import { startProgress } from "../../cli/progress.ts";

function stream(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  return { isTTY, columns, write: (text: string) => written.push(text), written };
}

test("where nobody watches, each step is a plain line without colours", () => {
  const out = stream(false);
  const { report } = startProgress(out);
  report({ subject: "vault", state: "started", text: "starting" });
  report({ subject: "vault", state: "done", text: "at https://127.0.0.1:1" });
  report({ subject: "postgres", state: "unchanged", text: "runs" });
  report({ subject: "issuer", state: "failed", text: "port\nin use" });
  assert.deepEqual(out.written, [
    "· vault: starting\n",
    "✓ vault: at https://127.0.0.1:1\n",
    "= postgres: runs\n",
    "✗ issuer: port in use\n",
  ]);
});

test("where nobody watches, what is still running is told every ten seconds at most", () => {
  const out = stream(false);
  let now = 1_000_000;
  const { report } = startProgress(out, () => now);
  report({ subject: "vault", state: "started", text: "building" });
  for (let second = 1; second <= 25; second++) {
    now += 1000;
    report({ subject: "vault", state: "progress", text: `${second} s` });
  }
  assert.deepEqual(out.written, ["· vault: building\n", "· vault: 10 s\n", "· vault: 20 s\n"]);
});

test("where nobody watches, news is told at once, and only its repetition is held back", () => {
  const out = stream(false);
  let now = 1_000_000;
  const { report } = startProgress(out, () => now);
  const say = (text: string, isNews?: boolean) =>
    report({ subject: "hmac", state: "progress", text, ...(isNews !== undefined && { isNews }) });
  say("stage", true);
  now += 1;
  say("drain", true);
  say("drain, 1 s");
  now += 10_000;
  say("drain, 11 s");
  assert.deepEqual(out.written, ["· hmac: stage\n", "· hmac: drain\n", "· hmac: drain, 11 s\n"]);
});

/** What a terminal shows after everything was written: enough of one for the codes that progress uses. */
function screen(written: string[]): string[] {
  const lines: string[] = [""];
  let row = 0;
  const text = written.join("");
  for (let at = 0; at < text.length; ) {
    const code = text[at] === "\u001b" ? /^\[(\d*)([AJKm])/.exec(text.slice(at + 1)) : null;
    if (code !== null) {
      if (code[2] === "A") row -= Number(code[1]);
      if (code[2] === "J") lines.splice(row, lines.length, "");
      at += code[0].length + 1;
      continue;
    }
    const character = text[at++] ?? "";
    if (character === "\n") lines[++row] ??= "";
    else if (character !== "\r") lines[row] += character;
  }
  return lines.filter((line) => line !== "");
}

test("on a terminal a subject has one line, which its end replaces", () => {
  const out = stream(true);
  const { report, end } = startProgress(out);
  report({ subject: "vault", state: "started", text: "starting" });
  report({ subject: "postgres", state: "started", text: "starting" });
  assert.deepEqual(screen(out.written), ["· vault: starting", "· postgres: starting"]);
  report({ subject: "vault", state: "progress", text: "unsealing" });
  assert.deepEqual(screen(out.written), ["· vault: unsealing", "· postgres: starting"]);
  report({ subject: "postgres", state: "done", text: "runs" });
  report({ subject: "vault", state: "done", text: "runs" });
  end();
  assert.deepEqual(screen(out.written), ["✓ postgres: runs", "✓ vault: runs"]);
});

test("on a terminal a line never wraps, so that it can be rewritten", () => {
  const out = stream(true, 20);
  startProgress(out).report({ subject: "vault", state: "started", text: "a very long explanation" });
  assert.deepEqual(screen(out.written), ["· vault: a very lo…"]);
});

test("on a terminal that does not tell its width, lines are as on one of 80 columns", () => {
  const out = stream(true, 0);
  startProgress(out).report({ subject: "vault", state: "started", text: "starting" });
  assert.deepEqual(screen(out.written), ["· vault: starting"]);
});

test("colours are for terminals that want them", () => {
  const step = { subject: "vault", state: "done", text: "runs" } as const;
  const [plain, coloured] = [stream(true), { ...stream(true), hasColors: () => true }];
  startProgress(plain).report(step);
  startProgress(coloured).report(step);
  assert.ok(!plain.written.join("").includes("\u001b[32m"));
  assert.ok(coloured.written.join("").includes("\u001b[32m✓"));
});
