import type { Policy, PolicyArgs } from "@pulumi/vault/policy.js";
import type { QuotaRateLimit, QuotaRateLimitArgs } from "@pulumi/vault/quotaRateLimit.js";
import { flag, number, text } from "../fields.ts";
import { said } from "../kind.ts";
import { entry } from "./entry.ts";

export const policy = entry<Policy, PolicyArgs>({
  type: "vault:index/policy:Policy",
  path: (inputs) => `sys/policies/acl/${said(inputs, "name")}`,
  id: (inputs) => said(inputs, "name"),
  pathOf: (id) => `sys/policies/acl/${id}`,
  fields: {
    name: text({ required: true, replace: true, local: true }),
    policy: text({ required: true }),
  },
});

export const quotaRateLimit = entry<QuotaRateLimit, QuotaRateLimitArgs>({
  type: "vault:index/quotaRateLimit:QuotaRateLimit",
  path: (inputs) => `sys/quotas/rate-limit/${said(inputs, "name")}`,
  id: (inputs) => said(inputs, "name"),
  pathOf: (id) => `sys/quotas/rate-limit/${id}`,
  fields: {
    name: text({ required: true, replace: true, local: true }),
    path: text({ replace: true }),
    rate: number({ required: true }),
    interval: number({ otherwise: 1 }),
    blockInterval: number(),
    inheritable: flag({ chosen: true }),
    role: text(),
    groupBy: text({ chosen: true }),
  },
});
