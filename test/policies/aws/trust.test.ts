import * as trustRules from "../../../policies/aws/trust.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, ruleSuite, shipped } from "../examples.ts";
import { allow, document, reworded } from "./document.ts";

type Plain = Record<string, unknown>;
const github = "token.actions.githubusercontent.com";
const subject = "repo:acme/titan:environment:production";
const trust = (more: Plain) => ({
  assumeRolePolicy: document(
    allow({
      Action: "sts:AssumeRoleWithWebIdentity",
      Principal: { Federated: `arn:aws:iam::111111111111:oidc-provider/${github}` },
      ...more,
    }),
  ),
});
const exact = {
  StringEquals: {
    [`${github}:sub`]: subject,
    [`${github}:aud`]: "sts.amazonaws.com",
    [`${github}:repository_id`]: "821093847",
    [`${github}:repository_owner_id`]: "5544123",
    [`${github}:ref`]: "refs/heads/main",
    [`${github}:job_workflow_ref`]: "acme/titan/.github/workflows/deploy.yml@refs/heads/main",
  },
};
const told = (more: Plain) => trust({ Condition: { StringEquals: { ...exact.StringEquals, ...more } } });
const loose = ["repository_id", "repository_owner_id", "ref", "job_workflow_ref"].map(
  (claim) => `${claim} is not compared exactly`,
);
const ciRole: Example = { type: aws.role, props: trust({ Condition: exact }) };

ruleSuite(trustRules.oidcTrustExact, ciRole, {
  unset: [trust({}), ["the subject is not compared exactly", "the audience is not one exact one", ...loose]],
  "a pattern": [
    trust({
      Condition: {
        StringLike: { [`${github}:sub`]: "repo:acme/*" },
        StringEquals: { [`${github}:aud`]: "sts.amazonaws.com" },
      },
    }),
    ["the subject is not compared exactly", ...loose],
  ],
  "a pattern that is compared exactly": [
    told({ [`${github}:sub`]: "repo:acme/titan:*" }),
    ['the subject "repo:acme/titan:*" is no exact job'],
  ],
  "a pull request": [
    told({ [`${github}:sub`]: "repo:acme/titan:pull_request" }),
    ['the subject "repo:acme/titan:pull_request" is no exact job', "pull requests may assume it"],
  ],
  "no audience": [told({ [`${github}:aud`]: undefined }), ["the audience is not one exact one"]],
  "an empty audience": [told({ [`${github}:aud`]: "" }), ["the audience is not one exact one"]],
  "a repository's name instead of its id": [
    told({ [`${github}:repository_id`]: "titan" }),
    loose.slice(0, 1),
  ],
  "an owner who came back under the name": [
    told({ [`${github}:repository_owner_id`]: undefined }),
    loose.slice(1, 2),
  ],
  "every branch": [told({ [`${github}:ref`]: "refs/heads/*" }), loose.slice(2, 3)],
  "any workflow of the repository": [told({ [`${github}:job_workflow_ref`]: undefined }), loose.slice(3)],
});
ruleSuite(trustRules.roleTrustNarrow, ciRole, {
  everyone: [
    { assumeRolePolicy: document(allow({ Action: "sts:AssumeRole", Principal: "*" })) },
    ["it trusts *"],
  ],
  "everyone, as a list": [
    { assumeRolePolicy: document(allow({ Action: "sts:AssumeRole", Principal: { AWS: ["*"] } })) },
    ["it trusts *"],
  ],
  nobody: [{ assumeRolePolicy: document(allow({ Action: "sts:AssumeRole" })) }, ["it names no principal"]],
});
const administrator = shipped(aws.role, "administrator");
const human = (Condition: Plain | undefined) =>
  reworded(administrator, "PeopleWithSecondFactor", { Condition });
const without = "people assume it without a second factor";
const late = "a second factor that is older than an hour is taken";
const age = { NumericLessThan: { "aws:MultiFactorAuthAge": "3600" } };
ruleSuite(trustRules.peopleWithMfa, administrator, {
  unset: [human(undefined), [without, late]],
  "only where it is said": [
    human({ ...age, BoolIfExists: { "aws:MultiFactorAuthPresent": "true" } }),
    [without],
  ],
  "the wrong way round": [human({ ...age, Bool: { "aws:MultiFactorAuthPresent": "false" } }), [without]],
  "one of this morning": [
    human({
      Bool: { "aws:MultiFactorAuthPresent": "true" },
      NumericLessThan: { "aws:MultiFactorAuthAge": "43200" },
    }),
    [late],
  ],
});
const people = (names: unknown) => human({ StringEquals: { "aws:PrincipalArn": names } });
ruleSuite(trustRules.peopleNamed, administrator, {
  unset: [human(undefined), ["everybody in the account may assume it"]],
  "all users": [
    people("arn:aws:iam::222222222222:user/*"),
    ['"arn:aws:iam::222222222222:user/*" is nobody in particular'],
  ],
  "the account": [
    people("arn:aws:iam::222222222222:root"),
    ['"arn:aws:iam::222222222222:root" is nobody in particular'],
  ],
});
ruleSuite(trustRules.roleSessionShort, ciRole, {
  "half a day": [{ maxSessionDuration: 43_200 }, ["maxSessionDuration is over 3600"]],
  "none at all": [{ maxSessionDuration: 0 }, ["maxSessionDuration is under 3600, which AWS does not take"]],
});
ruleSuite(
  trustRules.oidcProviderExact,
  { type: aws.oidcProvider, props: { url: `https://${github}`, clientIdLists: ["sts.amazonaws.com"] } },
  {
    "plain HTTP": [{ url: `http://${github}` }, ["url is not an https address"]],
    unset: [{ clientIdLists: undefined }, ["clientIdLists is not sts.amazonaws.com alone"]],
    "another audience too": [
      { clientIdLists: ["sts.amazonaws.com", "other"] },
      ["clientIdLists is not sts.amazonaws.com alone"],
    ],
  },
);
