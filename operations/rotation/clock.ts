import { setTimeout as sleep } from "node:timers/promises";
import type { Vault } from "../../clients/vault.ts";
import { TargetUnavailableError } from "./rotator.ts";

/** What time it is, for everything that runners must agree on. Tests hand in one of their own and move it. */
export interface Clock {
  now(): Date;
  /** At most a day, whoever wakes looks again. @throws the signal's reason */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** Learns from a time that Vault said in a call that has just ended and took so long (milliseconds). */
  observe?(vault: Date, took: number): void;
}

/** A timer of Node's cannot run for more than 24 days: it would end at once. */
const longestSleep = 86_400_000;

/**
 * Milliseconds that go on whatever becomes of this machine's clock: by the longer of what the wall clock and the steady
 * one have moved. The wall clock may be set back; the steady one stands still while the machine sleeps.
 */
export function advancing(wall: () => number = Date.now, steady = () => performance.now()): () => number {
  let [time, lastWall, lastSteady] = [wall(), wall(), steady()];
  return () => {
    const [nowWall, nowSteady] = [wall(), steady()];
    time += Math.max(nowWall - lastWall, nowSteady - lastSteady, 0);
    [lastWall, lastSteady] = [nowWall, nowSteady];
    return time;
  };
}

/**
 * Vault's clock: runners' own may be minutes apart, and leases and overlaps are compared between them. Each write of
 * the journal sets it right again.
 * @param local the runner's own clock, milliseconds since 1970
 * @throws TargetUnavailableError while Vault is sealed; VaultUnreachableError
 */
export async function vaultClock(vault: Vault, local: () => number = advancing()): Promise<Clock> {
  const sent = local();
  // Whatever the node is, it answers 200 and tells the time: whole seconds, so half a second is added.
  const query = { sealedcode: 200, standbyok: true, perfstandbyok: true, uninitcode: 200 };
  const health = (await vault.request<never>("GET", "sys/health", { query })) as unknown as Health;
  if (health.sealed) throw new TargetUnavailableError(`Vault at ${vault.address} is sealed: unseal it`);
  let offset = health.server_time_utc * 1000 + 500 - (sent + local()) / 2;
  let last = 0;
  return {
    now() {
      // Set right, it stands still for a moment rather than to go back: what was said to be over stays over.
      last = Math.max(last, local() + offset);
      return new Date(last);
    },
    sleep: pause,
    observe(said, took) {
      offset = said.getTime() - (local() - took / 2);
    },
  };
}

/** Sleeps in real time, at most a day. @throws the signal's reason */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const time = Math.min(Math.max(0, milliseconds), longestSleep);
  await sleep(time, undefined, { signal }).catch(() => signal.throwIfAborted());
}

interface Health {
  sealed: boolean;
  server_time_utc: number;
}
