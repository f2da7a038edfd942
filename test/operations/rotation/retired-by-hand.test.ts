import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { resumeByHand, rotateToGiven } from "../../../operations/rotation/by-hand.ts";
import { rotate } from "../../../operations/rotation/engine.ts";
import { readJournal, writeJournal } from "../../../operations/rotation/journal-store.ts";
import { byHand } from "../../../operations/rotation/rotators/by-hand.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { openBench, type RotationBench } from "./bench.ts";
import { type HandPlace, handPlace, value } from "./hand-place.ts";
import { SlackServer } from "./slack-server.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const keys = () => ({ key: value(), secret: value() });

/** The same, retired as the model has it: nobody reads it any more. */
function retire({ secret, options }: HandPlace) {
  const gone = {
    ...secret,
    retired: { since: "2026-11-01", reason: "it leaked", delete: false },
    consumers: [],
  };
  return { ...options, secret: gone, rotator: byHand() };
}

/** A rotation to a given value ends, and a compromise that was told meanwhile is left to follow. */
async function owing(at: HandPlace, given: Fields, end: () => void = () => {}): Promise<void> {
  await rotateToGiven(at.options, given);
  end();
  await resumeByHand(at.options, "ada");
  const { journal, version } = await readJournal(bench, at.secret);
  assert.equal(journal?.state, "done");
  await writeJournal(bench, at.secret, { ...journal, followedBy: "compromise" }, version);
}

suite("what a person makes and was retired (R21)", () => {
  test("is asked to be revoked where a compromise is left to follow, for no value that `set` would refuse; a word ends it", async () => {
    const at = await handPlace(bench, "titan/binance", keys());
    const given = keys();
    await owing(at, given);
    const options = retire(at);
    const asked = await rotate(options);
    assert.deepEqual(
      [asked.state, asked.isStuck, asked.reason, asked.waiting],
      [
        "generate",
        true,
        "compromise",
        "ada is asked to revoke the value in force of titan/binance at binance's dashboard, once it shows no use of it, then to run `keyplane rotations resume titan/binance --by ada`",
      ],
    );
    const done = await resumeByHand(options, "ada");
    assert.deepEqual([done.state, done.to], ["done", undefined]);
    const { journal } = await readJournal(bench, at.secret);
    assert.deepEqual([journal?.confirmedBy, journal?.followedBy], ["ada", undefined]);
    assert.deepEqual(await at.source(), { ...given, "given-in": journal?.history[0]?.id });
    assert.match(
      done.notes.join(),
      /give it a value with `keyplane set titan\/binance` should it be used again/,
    );
  });

  test("ends by itself where its provider refuses the value, and not by a word while it accepts it", async () => {
    await using slack = await SlackServer.start();
    const [old, next] = [slack.addWebhook(), slack.addWebhook()];
    const at = await handPlace(bench, "trading-bot/slack-webhook", { url: old }, slack.fetch);
    await owing(at, { url: next }, () => slack.webhooks.delete(old));
    const options = retire(at);
    assert.match((await rotate(options)).waiting ?? "", /revoke the value in force/);
    const word = await resumeByHand(options, "gus");
    assert.deepEqual([word.state, word.isStuck], ["generate", true]);
    assert.match(word.waiting ?? "", /slack's dashboard still accepts the old value/);
    slack.webhooks.delete(next);
    assert.equal((await rotate(options)).state, "done");
  });

  test("gets no value any more where nothing has leaked: a rotation that waits for one goes back", async () => {
    const first = keys();
    const at = await handPlace(bench, "titan/binance", first);
    assert.equal((await rotate({ ...at.options, rotator: byHand() })).state, "generate");
    const end = await rotate(retire(at));
    assert.deepEqual(
      [end.state, end.failure],
      ["rolled-back", "titan/binance is retired (it leaked): nobody is asked for its next value"],
    );
    assert.deepEqual(await at.source(), first);
  });
});
