import assert from "node:assert/strict";
import { test } from "node:test";
import { VaultError, VaultUnreachableError } from "../../../clients/vault.ts";
import { isPassing, usualBackoff, withBackoff } from "../../../operations/rotation/retry.ts";
import { ProbeError, TargetUnavailableError } from "../../../operations/rotation/rotator.ts";

const vault = (status: number) => new VaultError("GET", "kv/data/source/a/b", status, []);

/** A clock that notes how long it was slept by. */
function sleeper() {
  const pauses: number[] = [];
  const clock = {
    now: () => new Date(0),
    sleep: async (pause: number) => {
      pauses.push(pause);
    },
  };
  const manner = { clock, signal: new AbortController().signal, backoff: usualBackoff, said: () => {} };
  return { pauses, manner };
}

test("what passes is a target or Vault that is away, sealed or asks to wait; a refusal does not pass", () => {
  for (const status of [412, 429, 472, 473, 500, 502, 503, 504]) assert.equal(isPassing(vault(status)), true);
  for (const status of [400, 403, 404, 405]) assert.equal(isPassing(vault(status)), false);
  assert.equal(isPassing(new VaultUnreachableError("gone")), true);
  assert.equal(isPassing(new TargetUnavailableError("busy")), true);
  assert.equal(isPassing(new ProbeError("wrong rights")), false);
});

test("pauses double, vary by chance, and end after so many tries with the last error", async () => {
  const { pauses, manner } = sleeper();
  let tries = 0;
  const act = async () => {
    tries++;
    throw vault(503);
  };
  await assert.rejects(withBackoff(act, manner), /503/);
  assert.equal(tries, usualBackoff.tries);
  for (const [index, pause] of pauses.entries()) {
    const least = Math.min(usualBackoff.longest, usualBackoff.first * 2 ** index);
    assert.ok(pause >= least && pause <= least * 1.5, `${pause} after try ${index + 1}`);
  }
});

test("a target is left alone for as long as it asks; for longer than a run pauses, it is left to a later one", async () => {
  const { pauses, manner } = sleeper();
  let tries = 0;
  const busy = async () => {
    if (tries++ === 0) throw new TargetUnavailableError("busy", { retryAfter: 7 });
    return "done";
  };
  assert.equal(await withBackoff(busy, manner), "done");
  assert.deepEqual(pauses, [7000]);
  const away = async () => {
    throw new TargetUnavailableError("back tomorrow", { retryAfter: 86_400 });
  };
  await assert.rejects(withBackoff(away, manner), /back tomorrow/);
  assert.deepEqual(pauses, [7000]);
});

test("what does not pass is not tried again", async () => {
  const { manner } = sleeper();
  let tries = 0;
  const act = async () => {
    tries++;
    throw vault(403);
  };
  await assert.rejects(withBackoff(act, manner), /403/);
  assert.equal(tries, 1);
});
