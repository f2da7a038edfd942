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
    ['the subject "repo:acme/titan:*" is no job in a GitHub environment, which has reviewers'],
  ],
  "a pull request": [
    told({ [`${github}:sub`]: "repo:acme/titan:pull_request" }),
    [
      'the subject "repo:acme/titan:pull_request" is no job in a GitHub environment, which has reviewers',
      "pull requests may assume it",
    ],
  ],
  "a branch, without a GitHub environment": [
    told({ [`${github}:sub`]: "repo:acme/titan:ref:refs/heads/main" }),
    [
      'the subject "repo:acme/titan:ref:refs/heads/main" is no job in a GitHub environment, which has reviewers',
    ],
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
const also = (role: Example, ...statements: Plain[]) => {
  const { Version, Statement } = JSON.parse(String(role.props.assumeRolePolicy)) as {
    Version: string;
    Statement: Plain[];
  };
  return { assumeRolePolicy: JSON.stringify({ Version, Statement: [...Statement, ...statements] }) };
};
const assume = (Principal: Plain) => allow({ Sid: "More", Principal, Action: "sts:AssumeRole" });
const contractor = "arn:aws:iam::222222222222:role/contractor";
ruleSuite(trustRules.trustOfDuty, administrator, {
  "another role, which has no second factor": [
    also(administrator, assume({ AWS: contractor })),
    [`"More" lets AWS ${contractor} take it, which is for people`],
  ],
  "a service": [
    also(administrator, assume({ Service: "lambda.amazonaws.com" })),
    ['"More" lets Service lambda.amazonaws.com take it, which is for people'],
  ],
  "a name that nobody has": [
    { name: "keyplane-production-contractor" },
    ['"keyplane-production-contractor" is no role that the platform has'],
  ],
  "a name of another environment": [
    { name: "keyplane-staging-administrator" },
    ['"keyplane-staging-administrator" is no role that the platform has'],
  ],
});
const deploys = shipped(aws.role, "keyplane-production-deploy");
const reworkflowed = String(deploys.props.assumeRolePolicy).replaceAll("deploy.yml", "review.yml");
ruleSuite(trustRules.trustOfDuty, deploys, {
  "another workflow": [
    { assumeRolePolicy: reworkflowed },
    [
      '"Workflow" lets acme/secrets/.github/workflows/review.yml@refs/heads/main take it, which is for deploy.yml',
    ],
  ],
  "a person": [
    also(deploys, assume({ AWS: "arn:aws:iam::222222222222:user/ada" })),
    ['"More" lets AWS arn:aws:iam::222222222222:user/ada take it, which is for deploy.yml'],
  ],
});
const scheduler = shipped(aws.role, "keyplane-production-scheduler");
ruleSuite(trustRules.trustOfDuty, scheduler, {
  "another service": [
    also(scheduler, assume({ Service: "ec2.amazonaws.com" })),
    ['"More" lets Service ec2.amazonaws.com take it, which is for scheduler.amazonaws.com'],
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
