import type { CustomResourceOptions } from "@pulumi/pulumi";
import { QuotaRateLimit } from "@pulumi/vault/quotaRateLimit.js";
import type { RateLimitQuota } from "../../model/vault.ts";

/** Upper bounds of requests per client address. */
export function declareQuotas(quotas: RateLimitQuota[], opts: CustomResourceOptions): void {
  for (const { name, path, rate, interval } of quotas) {
    // One that moves is made anew under its own name, which deleting the old one afterwards would take away.
    new QuotaRateLimit(name, { name, path, rate, interval }, { ...opts, deleteBeforeReplace: true });
  }
}
