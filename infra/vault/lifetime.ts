import type { Seconds } from "../../model/duration.ts";

/** Default and longest life of the leases and tokens of a mount. */
export interface Lifetime {
  least: Seconds;
  most: Seconds;
}

/** Tokens of CI jobs: minutes for theirs, hours for a long run of the platform's own, which renews its token (R13). */
export const ci: Lifetime = { least: 900, most: 14_400 };

/** Dynamic credentials (R12). */
export const short: Lifetime = { least: 900, most: 3600 };

/** Tokens of services, which they renew. */
export const service: Lifetime = { least: 3600, most: 86_400 };

/** Hosts: a mount's maximum bounds its secret ids too, which outlive the tokens that they are exchanged for. */
export const host: Lifetime = { least: 3600, most: 604_800 };

/** A person's working day. */
export const human: Lifetime = { least: 3600, most: 28_800 };

/** A duration as Vault writes it back: "45s", "15m", "1h", "1h30m". */
export function duration(seconds: Seconds): string {
  if (seconds % 60 !== 0) return `${seconds}s`;
  const hours = Math.floor(seconds / 3600);
  const minutes = (seconds % 3600) / 60;
  return `${hours > 0 ? `${hours}h` : ""}${minutes > 0 || hours === 0 ? `${minutes}m` : ""}`;
}

/** Refuses a role that would live longer than its mount lets it: Vault would cut it without a word. */
export function within(lifetime: Lifetime, role: string, most: Seconds): Seconds {
  if (most > 0 && most <= lifetime.most) return most;
  throw new Error(
    `The role "${role}" asks for tokens of up to ${most} s; between 1 and ${lifetime.most} s are possible on its mount: lower its TTL in the catalogue`,
  );
}
