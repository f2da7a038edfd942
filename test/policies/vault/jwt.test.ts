import * as jwt from "../../../policies/vault/jwt.ts";
import { vault } from "../../../policies/vault/types.ts";
import { shipped } from "../examples.ts";
import { ruleSuite } from "../suite.ts";

const role = shipped(vault.jwtRole, "titan.ci.deploy");
const people = shipped(vault.jwtRole, "people-oidc");

ruleSuite(jwt.jwtMountTrusted, shipped(vault.jwt), {
  "no issuer": [
    { oidcDiscoveryUrl: undefined, boundIssuer: undefined },
    ["oidcDiscoveryUrl is not an https address", "boundIssuer is not the issuer of oidcDiscoveryUrl"],
  ],
  "an issuer that only begins like GitHub's": [
    {
      oidcDiscoveryUrl: "https://token.actions.githubusercontent.com.evil.example",
      boundIssuer: "https://token.actions.githubusercontent.com.evil.example",
    },
    ["https://token.actions.githubusercontent.com.evil.example is no issuer of GitHub's"],
  ],
  "another issuer": [
    { boundIssuer: "https://example.com" },
    ["boundIssuer is not the issuer of oidcDiscoveryUrl"],
  ],
  "signatures with a shared key": [
    { jwtSupportedAlgs: ["RS256", "HS256"] },
    ["jwtSupportedAlgs admits HS256"],
  ],
  "no algorithm": [{ jwtSupportedAlgs: [] }, ["jwtSupportedAlgs is not set"]],
  "keys beside the issuer": [
    { jwtValidationPubkeys: ["x"] },
    ["jwtValidationPubkeys is set beside the issuer"],
  ],
  "an authority of one's own for GitHub": [
    { oidcDiscoveryCaPem: "x" },
    ["oidcDiscoveryCaPem lets somebody else than GitHub be GitHub"],
  ],
  "a default role": [
    { defaultRole: "titan.ci.deploy" },
    ["defaultRole lets a job log in without naming its role"],
  ],
});
ruleSuite(jwt.jwtAudienceBound, role, {
  unset: [{ boundAudiences: undefined }, ["0 audiences are bound; a token is for one"]],
  "more than one": [{ boundAudiences: ["a", "b"] }, ["2 audiences are bound; a token is for one"]],
  "a pattern": [{ boundAudiences: ["https://github.com/*"] }, ["an audience is empty or a pattern"]],
  "that of tokens for AWS": [
    { boundAudiences: ["sts.amazonaws.com"] },
    ["the audience is AWS': a token for AWS would log in here"],
  ],
});
ruleSuite(jwt.jwtRepositoryBound, role, {
  "no repository": [
    { "boundClaims.repository_id": undefined },
    ["the claim repository_id is not bound to one number"],
  ],
  "a name": [
    { "boundClaims.repository_id": "acme/titan" },
    ["the claim repository_id is not bound to one number"],
  ],
  "two owners": [
    { "boundClaims.repository_owner_id": "1,2" },
    ["the claim repository_owner_id is not bound to one number"],
  ],
  "a role of no type": [{ roleType: undefined }, ["roleType is not said"]],
});
ruleSuite(jwt.jwtWorkflowBound, role, {
  "any workflow": [
    { "boundClaims.job_workflow_ref": undefined },
    ["job_workflow_ref is not bound: any workflow of the repository logs in"],
  ],
  "any branch of the workflow": [
    { "boundClaims.job_workflow_ref": "acme/titan/.github/workflows/deploy.yml@refs/heads/*" },
    ['job_workflow_ref admits "acme/titan/.github/workflows/deploy.yml@refs/heads/*"'],
  ],
  "a tag": [
    { "boundClaims.job_workflow_ref": "acme/titan/.github/workflows/deploy.yml@refs/tags/v1" },
    ['job_workflow_ref admits "acme/titan/.github/workflows/deploy.yml@refs/tags/v1"'],
  ],
  "no environment": [
    { "boundClaims.environment": undefined },
    ["environment is not bound to one GitHub environment"],
  ],
  "no branch": [{ "boundClaims.ref": undefined }, ["ref is not bound: any branch logs in"]],
});
ruleSuite(jwt.jwtClaimsExact, role, {
  "compared by patterns": [{ boundClaimsType: "glob" }, ["boundClaimsType is not string"]],
  "how they are compared is not said": [{ boundClaimsType: undefined }, ["boundClaimsType is not string"]],
  "a pattern": [{ "boundClaims.ref": "refs/heads/*" }, ["the claim ref admits a pattern"]],
  "an empty value": [{ "boundClaims.ref": "refs/heads/main," }, ["the claim ref admits an empty value"]],
  "a pattern in the subject": [{ boundSubject: "repo:acme/*" }, ["boundSubject is a pattern"]],
});
ruleSuite(jwt.jwtEventBound, role, {
  unset: [
    { "boundClaims.event_name": undefined },
    ["event_name is not bound: a pull request's code could log in"],
  ],
  "a pull request": [
    { "boundClaims.event_name": "push,pull_request_target" },
    ["event_name admits pull_request_target"],
  ],
});
ruleSuite(jwt.jwtUserClaimStable, role, {
  unset: [{ userClaim: undefined }, ["userClaim is not set"]],
  "another one each time": [
    { userClaim: "jti" },
    ["userClaim is jti, which is another one each time or can be reused"],
  ],
  "a name that can be given again": [
    { userClaim: "repository" },
    ["userClaim is repository, which is another one each time or can be reused"],
  ],
});
ruleSuite(jwt.jwtUserClaimStable, people, {
  "a nickname": [
    { userClaim: "preferred_username" },
    ["userClaim is preferred_username, which is another one each time or can be reused"],
  ],
});
ruleSuite(jwt.jwtClaimsAudited, role, {
  "the audience is not single": [
    { "claimMappings.aud": undefined },
    ["aud is not mapped: a list that merely contains the value would do"],
  ],
  "under another name": [
    { "claimMappings.actor": "who" },
    ["actor is not mapped: a list that merely contains the value would do"],
  ],
});
ruleSuite(jwt.jwtTimesStrict, role, {
  "Vault's own leeway": [
    { expirationLeeway: undefined, notBeforeLeeway: 0 },
    ["expirationLeeway is not -1", "notBeforeLeeway is not -1"],
  ],
  "clocks that differ by minutes": [{ clockSkewLeeway: 120 }, ["clockSkewLeeway is not between 1 and 60"]],
  "Vault's own skew": [{ clockSkewLeeway: 0 }, ["clockSkewLeeway is not between 1 and 60"]],
});
ruleSuite(jwt.oidcRedirectsExact, people, {
  unset: [{ allowedRedirectUris: undefined }, ["allowedRedirectUris is not set"]],
  "another page of Vault's host": [
    { allowedRedirectUris: ["https://vault.acme.example/elsewhere"] },
    ['allowedRedirectUris admits "https://vault.acme.example/elsewhere"'],
  ],
  "a host behind a user's name": [
    { allowedRedirectUris: ["https://vault@evil.example/ui/vault/auth/oidc/oidc/callback"] },
    ['allowedRedirectUris admits "https://vault@evil.example/ui/vault/auth/oidc/oidc/callback"'],
  ],
  "plain HTTP elsewhere": [
    { allowedRedirectUris: ["http://vault.acme.example/x"] },
    ['allowedRedirectUris admits "http://vault.acme.example/x"'],
  ],
  "a pattern": [
    { allowedRedirectUris: ["https://*.acme.example/x"] },
    ['allowedRedirectUris admits "https://*.acme.example/x"'],
  ],
  "a claim that nobody asks for": [
    { oidcScopes: ["profile"] },
    ["oidcScopes does not ask for the claim that names the person"],
  ],
});
