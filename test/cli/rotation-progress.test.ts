import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { startProgress } from "../../cli/progress.ts";
import { lasting, rotatedOf, rotationProgress, secondsLeft } from "../../cli/rotation-progress.ts";
import { shown } from "../../cli/rotation-rows.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Step } from "../../operations/progress.ts";
import { steps } from "../../operations/rotation/journal.ts";
import type { Outcome } from "../../operations/rotation/outcome.ts";
import { EvidenceError } from "../../operations/rotation/promotion.ts";

const model = derive(await loadCatalogue("catalogue"), "production");
const hmac = model.secrets.find(({ id }) => id === "titan/hmac");
const [key] = model.encryptionKeys;
if (hmac === undefined || key === undefined) throw new Error("titan/hmac or a key is not there");

suite("live progress of a rotation", () => {
  test("a line has the step, the time since the start and what is left; its end says how long it took", () => {
    const seen: Step[] = [];
    let now = 0;
    const progress = rotationProgress((step) => seen.push(step), model, {
      wait: false,
      isTerminal: false,
      now: () => now,
    });
    const report = (state: Step["state"], text: string, step?: string) =>
      progress.report({ subject: "titan/hmac", state, text, ...(step !== undefined && { step }) });
    report("started", "rotation begins (scheduled)", "generate");
    now = 4000;
    report("progress", "the target accepts it", "deliver-listeners");
    now = 9000;
    report("progress", "titan/titan-sentinel gets the new value");
    now = 70_000;
    report("done", "the old value is refused", "done");
    progress.end();
    assert.deepEqual(
      seen.map(({ state, text }) => [state, text]),
      [
        ["started", "rotation begins (scheduled)"],
        ["progress", "deliver-listeners, 4 s, about 5 min 20 s left: the target accepts it"],
        [
          "progress",
          "deliver-listeners, 9 s, about 5 min 15 s left: titan/titan-sentinel gets the new value",
        ],
        ["done", "the old value is refused (1 min 10 s)"],
      ],
    );
  });
  test("where nobody watches, each step and each new word of it is a plain line at once; its repetition is not (R21)", () => {
    const written: string[] = [];
    const now = () => 0;
    const plain = startProgress({ write: (text) => written.push(text) }, now);
    const { report } = rotationProgress(plain.report, model, { wait: false, isTerminal: false, now });
    const say = (text: string, step?: string) =>
      report({ subject: "titan/hmac", state: "progress", text, ...(step !== undefined && { step }) });
    report({
      subject: "titan/hmac",
      state: "started",
      text: "rotation begins (compromise)",
      step: "generate",
    });
    for (const step of steps.slice(1, -1)) say(`at ${step}`, step);
    for (let tried = 1; tried < 4; tried++) say(`revoked again: still accepted, try ${tried}`);
    report({ subject: "titan/hmac", state: "done", text: "the old value is refused", step: "done" });
    const told = written.map((line) => line.replace(/, 0 s(, about .* left)?:/, ":").trim());
    assert.deepEqual(told, [
      "· titan/hmac: rotation begins (compromise)",
      ...steps.slice(1, -1).map((step) => `· titan/hmac: ${step}: at ${step}`),
      "· titan/hmac: verify: revoked again: still accepted, try 1",
      "✓ titan/hmac: the old value is refused (0 s)",
    ]);
  });
  test("an encryption key has the same lines, with what is left by its own steps", () => {
    const seen: Step[] = [];
    let now = 0;
    const options = { wait: false, isTerminal: false, now: () => now };
    const { report } = rotationProgress((step) => seen.push(step), model, options);
    const say = (state: Step["state"], text: string, step: string) =>
      report({ subject: key.id, state, text, step });
    say("started", "rotation begins (compromise)", "generate");
    now = 2000;
    say("progress", "version 2 encrypts", "migrate");
    now = 65_000;
    say("done", "Vault refuses every version before 2", "done");
    assert.deepEqual(
      seen.map(({ state, text }) => [state, text]),
      [
        ["started", "rotation begins (compromise)"],
        ["progress", "migrate, 2 s, about 3 s left: version 2 encrypts"],
        ["done", "Vault refuses every version before 2 (1 min 5 s)"],
      ],
    );
  });
  test("what is left counts the watching, the consumers and, for who stays, the overlap", () => {
    const watch = 300;
    assert.equal(secondsLeft(rotatedOf(hmac), "watch", 100, watch, false), 200 + 3);
    assert.equal(secondsLeft(rotatedOf(hmac), "watch", 100, watch, true), 200 + 86_400 + 3);
    assert.equal(secondsLeft(rotatedOf(hmac), "watch", 400, watch, false), 3);
    assert.equal(secondsLeft(rotatedOf(hmac), "rolling-back", 0, watch, false), undefined);
  });
  test("durations have their two largest units", () => {
    assert.deepEqual([0, 59, 60, 3599, 3600, 90_061].map(lasting), [
      "0 s",
      "59 s",
      "1 min",
      "59 min 59 s",
      "1 h",
      "1 d 1 h",
    ]);
  });
  test("lines of other subjects pass as they are", () => {
    const seen: Step[] = [];
    const { report } = rotationProgress((step) => seen.push(step), model, { wait: false, isTerminal: false });
    const step: Step = { subject: "vault", state: "progress", text: "starting" };
    report(step);
    assert.deepEqual(seen, [step]);
  });
});

suite("what a rotation's end means to a script", () => {
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const outcome = (change: Partial<Outcome>): Outcome => ({
    secret: "titan/hmac",
    id: "r",
    reason: "scheduled",
    state: "done",
    from: 1,
    to: 2,
    unchanged: false,
    isStuck: false,
    skipped: [],
    notes: [],
    ...change,
  });
  const of = (change: Partial<Outcome>) => {
    const { result, code } = shown({ secret: "titan/hmac", outcome: outcome(change) }, true);
    return [result, code];
  };
  test("0 for one that is done, waits for its overlap as planned, or is another runner's", () => {
    assert.deepEqual(of({}), ["done", 0]);
    const overlap = { state: "drain", waiting: "both are accepted", waitsFor: "time" } as const;
    assert.deepEqual(of({ ...overlap, notBefore: later }), ["drains", 0]);
    assert.deepEqual(of({ state: "watch", busy: { owner: "another", until: later } }), ["busy", 0]);
  });
  test("1 for one that was rolled back, is stuck, or whose old value is still used after the overlap", () => {
    assert.deepEqual(of({ state: "rolled-back", failure: "the probe failed" }), ["rolled-back", 1]);
    assert.deepEqual(of({ state: "observe-listeners", waiting: "titan-sentinel", isStuck: true }), [
      "stuck",
      1,
    ]);
    const now = new Date().toISOString();
    assert.deepEqual(of({ state: "drain", waiting: "it is still used", notBefore: now }), ["stuck", 1]);
  });
  test("1 where evidence is missing, 3 where something cannot be reached, 4 where it was stopped", () => {
    const code = (error: unknown) => shown({ secret: "titan/hmac", error }, true).code;
    assert.equal(code(new EvidenceError("none", "absent")), 1);
    assert.equal(code(Object.assign(new Error("away"), { name: "VaultUnreachableError" })), 3);
    assert.equal(code(new DOMException("Interrupted", "AbortError")), 4);
  });
  test("what did not begin is a finding only where it was asked for by name", () => {
    const held = { secret: "titan/hmac", why: "Friday evening", until: new Date(later) };
    const codes = [true, false].map((asked) => shown({ secret: "titan/hmac", held }, asked).code);
    assert.deepEqual(codes, [1, 0]);
    const stopped = { secret: "titan/hmac", held: { secret: "titan/hmac", why: "stopped" } };
    assert.equal(shown(stopped, false).code, 4);
  });
});
