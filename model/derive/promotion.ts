import type { Promotion } from "../model.ts";
import type { JwtRole, Policy, PolicyRule } from "../vault.ts";
import { boundClaims, gitHubOf } from "./claims.ts";
import { type Context, minute } from "./context.ts";
import { evidenceKey, followersOf } from "./followers.ts";
import { inOrder, type Parts, rule } from "./rules.ts";
import { deriveGitHub, deriveVault } from "./settings.ts";

/** Where the environment before this one keeps its evidence; undefined for one that comes after none. */
export function derivePromotion(context: Context): Promotion | undefined {
  const { after } = context.block;
  if (after === undefined) return undefined;
  const before = contextIn(context, after);
  const { address, mounts, auth } = deriveVault(before);
  return {
    environment: after,
    address,
    mounts: { kv: mounts.kv, transit: mounts.transit, github: auth.github },
    role: promotionRole(context.environment),
    audience: deriveGitHub(before).audience,
    evidenceKey,
  };
}

/**
 * A role for each environment that comes after this one, exactly as bound as its own rotation role: to its GitHub
 * environment, branches and rotate workflow.
 * @param audience this environment's
 */
export function promotionRoles(context: Context, audience: string): JwtRole[] {
  const { repository } = context.organization.platform;
  return followersOf(context).map((follower): JwtRole => {
    const name = promotionRole(follower);
    return {
      name,
      of: { kind: "platform", id: name },
      audience,
      userClaim: "repository_id",
      boundClaims: boundClaims(
        repository,
        "rotate.yml",
        gitHubOf("rotate", deriveGitHub(contextIn(context, follower))),
      ),
      policies: [promotionPolicy],
      tokenType: "batch",
      ttl: 10 * minute,
      maxTtl: 10 * minute,
    };
  });
}

const promotionPolicy = "keyplane.promotion";

function promotionRole(follower: string): string {
  return `${promotionPolicy}.${follower}`;
}

/** What the environments that come after this one may do here: read evidence and see what it speaks of. */
export function promotionPolicies({ vault }: Parts): Policy[] {
  if (vault.evidenceKey === undefined) return [];
  const { kv, transit } = vault.mounts;
  return [
    {
      name: promotionPolicy,
      purpose: "Reads what rotations here have shown, for the environments that come after; no value.",
      of: { kind: "platform", id: promotionPolicy },
      rules: inOrder([
        rule(`${kv}/data/evidence/*`, "read"),
        // Which version is in force now: the evidence may speak of one before.
        rule(`${kv}/metadata/source/*`, "read"),
        rule(`${transit}/keys/+`, "read"),
        rule(`${transit}/verify/${vault.evidenceKey}`, "update"),
      ]),
    },
  ];
}

/** What the rotation role needs to write evidence. */
export function sealing({ vault }: Parts): PolicyRule[] {
  if (vault.evidenceKey === undefined) return [];
  const { kv, transit } = vault.mounts;
  return [
    rule(`${kv}/data/evidence/*`, "create", "read", "update"),
    rule(`${kv}/metadata/evidence/*`, "create", "read", "update"),
    rule(`${transit}/hmac/${vault.evidenceKey}`, "update"),
  ];
}

/** Another environment's block, as the catalogue says it: what only the local stack learns is of its own alone. */
function contextIn({ organization, systems }: Context, environment: string): Context {
  return { organization, environment, block: organization.environments[environment] ?? {}, systems };
}
