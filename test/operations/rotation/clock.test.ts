import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Vault } from "../../../clients/vault.ts";
import { advancing, vaultClock } from "../../../operations/rotation/clock.ts";
import { TargetUnavailableError } from "../../../operations/rotation/rotator.ts";

const said = Date.parse("2026-11-22T12:00:00Z");

function vaultAt(time: number, sealed = false): Vault {
  const health = { sealed, server_time_utc: Math.floor(time / 1000) };
  return { address: "https://vault.test", request: async () => health } as unknown as Vault;
}

test("the time is Vault's, whatever the runner's own clock says", async () => {
  const clock = await vaultClock(vaultAt(said), () => 7);
  assert.equal(Math.abs(clock.now().getTime() - said) <= 500, true);
});

test("a journal entry's creation sets it right; it never goes back", async () => {
  let own = 1000;
  const clock = await vaultClock(vaultAt(said), () => own);
  clock.observe?.(new Date(said + 60_000), 20);
  assert.equal(clock.now().getTime(), said + 60_010);
  clock.observe?.(new Date(said), 0);
  assert.equal(clock.now().getTime(), said + 60_010);
  own += 61_000;
  assert.equal(clock.now().getTime(), said + 61_000);
});

test("a sealed Vault is told as one", async () => {
  await assert.rejects(vaultClock(vaultAt(said, true)), (error: Error) => {
    assert.ok(error instanceof TargetUnavailableError);
    assert.equal(error.message, "Vault at https://vault.test is sealed: unseal it");
    return true;
  });
});

test("a wait of 30 days does not end at once, and is interrupted", async () => {
  const clock = await vaultClock(vaultAt(said));
  const stop = new AbortController();
  const slept = clock.sleep(30 * 86_400_000, stop.signal).then(() => "ended");
  const first = await Promise.race([slept, setTimeout(50, "sleeps")]);
  assert.equal(first, "sleeps");
  stop.abort(new Error("interrupted"));
  await assert.rejects(slept, /^Error: interrupted/);
});

test("a host that is set back goes on with the time, and one that slept has noticed (a stepped clock)", async () => {
  let [wall, steady] = [1_000_000, 0];
  const clock = await vaultClock(
    vaultAt(said),
    advancing(
      () => wall,
      () => steady,
    ),
  );
  const start = clock.now().getTime();
  // Set back five minutes, and a minute passes.
  [wall, steady] = [wall - 300_000 + 60_000, steady + 60_000];
  assert.equal(clock.now().getTime(), start + 60_000);
  // Asleep for an hour: the steady clock stood still.
  wall += 3_600_000;
  assert.equal(clock.now().getTime(), start + 3_660_000);
  [wall, steady] = [wall + 1000, steady + 1000];
  assert.equal(clock.now().getTime(), start + 3_661_000);
});
