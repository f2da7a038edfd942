import { VaultError, VaultUnreachableError } from "../../clients/vault.ts";
import type { Clock } from "./clock.ts";
import { TargetUnavailableError } from "./rotator.ts";

/** How often and how long one step is tried again before the run leaves it for later. */
export interface Backoff {
  /** Milliseconds before the second try; doubled each time, with up to half of it by chance. */
  first: number;
  /** Milliseconds between two tries at most. */
  longest: number;
  /** Tries altogether. */
  tries: number;
}

export const usualBackoff: Backoff = { first: 500, longest: 15_000, tries: 6 };

/** Statuses of Vault that pass: rate limit, sealed or down, a standby that lags behind. */
const passing = new Set([412, 429, 472, 473, 500, 502, 503, 504]);

/** Whether the same call may succeed later: a target or Vault is away, sealed, or asks to wait. */
export function isPassing(error: unknown): boolean {
  if (error instanceof VaultError) return passing.has(error.status);
  return error instanceof TargetUnavailableError || error instanceof VaultUnreachableError;
}

/** Seconds that a target wants to be left alone, where it says so. */
export function retryAfter(error: unknown): number | undefined {
  return error instanceof TargetUnavailableError ? error.retryAfter : undefined;
}

/**
 * Runs something until it succeeds; only what passes is tried again. A target that wants to be left alone for longer
 * than the longest pause ends it at once.
 * @throws the last error, or the signal's reason
 */
export async function withBackoff<T>(
  act: () => Promise<T>,
  { clock, signal, backoff, said }: Waiting,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    signal.throwIfAborted();
    try {
      return await act();
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error) || tried >= backoff.tries) throw error;
      const own = Math.min(backoff.longest, backoff.first * 2 ** (tried - 1)) * (1 + Math.random() / 2);
      const pause = Math.max(own, (retryAfter(error) ?? 0) * 1000);
      if (pause > backoff.longest * 1.5) throw error;
      said(error as Error, pause);
      await clock.sleep(pause, signal);
    }
  }
}

interface Waiting {
  clock: Clock;
  signal: AbortSignal;
  backoff: Backoff;
  said(error: Error, pause: number): void;
}
