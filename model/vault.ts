import type { Seconds } from "./duration.ts";

export interface VaultSettings {
  address: string;
  /** Mount paths, without a trailing slash. */
  mounts: { kv: "kv"; transit: "transit"; database: "database" };
  auth: {
    github: "github";
    approle: "approle";
    kubernetes: "kubernetes";
    aws: "aws";
    human: "userpass" | "oidc";
  };
  audit: AuditDevice[];
  oidc?: { discoveryUrl: string; clientId: string };
  kubernetes?: { host: string; certificate?: string };
  /** Name of the transit HMAC key that fingerprints values (one per organization). */
  fingerprintKey: string;
  /** Name of the transit HMAC key that seals evidence of rotations, where another environment comes after this one. */
  evidenceKey?: string;
}

export interface AuditDevice {
  /** Also its mount path. */
  name: string;
  type: "file" | "syslog" | "socket";
  options: Record<string, string>;
}

export interface Policy {
  name: string;
  /** Why it exists, one sentence; rendered as a comment. */
  purpose: string;
  /** The catalogue entry that caused it. */
  of: { kind: "service" | "ci" | "group" | "platform"; id: string };
  rules: PolicyRule[];
}

export type Capability = "create" | "read" | "update" | "patch" | "delete" | "list" | "sudo" | "deny";

export interface PolicyRule {
  /** Vault API path; exact, except that platform policies may have "+" (one segment) and "*" at the end. */
  path: string;
  /** Ordered. */
  capabilities: Capability[];
  /** The answer must be wrapped, for so long at least and at most. */
  wrapping?: { min: Seconds; max: Seconds };
  /** Ordered names of the only parameters that a request may carry; any value of them is allowed. */
  parameters?: string[];
}

export interface JwtRole {
  /** Role name on the GitHub mount. */
  name: string;
  of: { kind: "ci" | "platform"; id: string };
  audience: string;
  userClaim: "repository_id";
  /** Claim → the exact values of which one must be present. */
  boundClaims: Record<string, string[]>;
  policies: string[];
  tokenType: "batch" | "service";
  ttl: Seconds;
  maxTtl: Seconds;
}

export interface AppRole {
  name: string;
  service: string;
  /** The person who delivers the next secret id, wrapped. */
  deliveredBy: string;
  policies: string[];
  secretIdTtl: Seconds;
  secretIdUses: number;
  cidrs: string[];
  ttl: Seconds;
  maxTtl: Seconds;
}

export interface KubernetesRole {
  name: string;
  service: string;
  namespace: string;
  serviceAccount: string;
  audience: string;
  policies: string[];
  ttl: Seconds;
  maxTtl: Seconds;
}

export interface RateLimitQuota {
  name: string;
  /** A path, with a glob at its end or not; "" is the whole server. */
  path: string;
  /** Requests per interval. */
  rate: number;
  interval: Seconds;
}
