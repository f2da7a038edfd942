import { seconds } from "../duration.ts";
import type { GitHubSettings } from "../model.ts";
import type { JwtRole } from "../vault.ts";
import { boundClaims, gitHubOf } from "./claims.ts";
import { type Context, compare, hour, minute } from "./context.ts";
import { platformRoles } from "./platform.ts";
import { promotionRoles } from "./promotion.ts";
import { activeJobs, jobName } from "./services.ts";

/**
 * Roles for GitHub's OIDC tokens. Names of repositories can be given to someone else, their ids cannot, so
 * the ids are bound; the environment and the workflow at its branch are bound exactly. No pattern anywhere.
 */
export function deriveJwtRoles(context: Context, github: GitHubSettings): JwtRole[] {
  const { repository } = context.organization.platform;
  const jobs = activeJobs(context).flatMap(({ system, name, entry }): JwtRole[] => {
    if (system.repository === undefined) return [];
    const ttl = entry.ttl === undefined ? 10 * minute : seconds(entry.ttl);
    return [
      {
        name: jobName(system, name),
        of: { kind: "ci", id: `${system.system}/ci/${name}` },
        audience: github.audience,
        userClaim: "repository_id",
        boundClaims: boundClaims(system.repository, entry.workflow, github),
        policies: [jobName(system, name)],
        tokenType: "batch",
        ttl,
        maxTtl: ttl,
      },
    ];
  });
  const platform = platformRoles.map(
    (role): JwtRole => ({
      name: `keyplane.${role}`,
      of: { kind: "platform", id: `keyplane.${role}` },
      audience: github.audience,
      userClaim: "repository_id",
      boundClaims: boundClaims(repository, `${role}.yml`, gitHubOf(role, github)),
      policies: [`keyplane.${role}`],
      // A service token: a run renews it and revokes it at its end. One hour without renewal, four with.
      tokenType: "service",
      ttl: hour,
      maxTtl: 4 * hour,
    }),
  );
  return [...jobs, ...platform, ...promotionRoles(context, github.audience)].sort((a, b) =>
    compare(a.name, b.name),
  );
}
