import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AwsModel, PolicyDocument } from "../../../model/aws.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { trustWorkflow } from "../../../model/derive/aws/github.ts";
import { derive } from "../../../model/derive.ts";
import { seeded } from "../../integration/support/seeded.ts";
import { claimsOf, generateJob, isOwn, type Job, type Own } from "./github-jobs.ts";
import { allowed } from "./simulator.ts";

const catalogue = await loadCatalogue("catalogue");
const { repository } = catalogue.organization.platform;
const subjects = process.env.KEYPLANE_SCALE === "prove" ? 5_000 : 250;

const issuer = "token.actions.githubusercontent.com";

/** Whether a trust policy lets a token in. */
function enters(trust: PolicyDocument, claims: Record<string, string>, now = "2026-11-28T00:00:00Z") {
  const account = "222222222222";
  return allowed({
    principal: `arn:aws:iam::${account}:oidc-provider/${issuer}`,
    action: "sts:AssumeRoleWithWebIdentity",
    resource: `arn:aws:iam::${account}:role/any`,
    account,
    policy: JSON.parse(JSON.stringify(trust).replaceAll(/\b(111111111111|000000000000)\b/g, account)),
    context: {
      "aws:CurrentTime": now,
      ...Object.fromEntries(Object.entries(claims).map(([claim, value]) => [`${issuer}:${claim}`, value])),
    },
  });
}

const own = (workflow: string, github: { environment: string; branches: string[] }): Own => {
  const [owner = "", name = ""] = repository.name.split("/");
  return {
    owner: { name: owner, id: repository["owner-id"] },
    repository: { name, id: repository.id },
    environment: github.environment,
    branch: github.branches[0] ?? "",
    workflow,
  };
};

/** What runs by the clock has a GitHub environment without reviewers. */
function where<Of extends { environment: string }>(name: string, github: Of): Of {
  return name === "deploy" ? github : { ...github, environment: `${github.environment}-${name}` };
}

interface Trust {
  trust: PolicyDocument;
  own: Own;
  /** Forms of the subject that its repository may write at a time. */
  forms(now: string): Job["form"][];
}

/** Jobs of the generator that are judged wrongly, and how many were rightly let in. */
async function judge({ trust, own, forms }: Trust, count: number, seed: number) {
  const random = seeded(seed);
  const found = { accepted: 0, foreign: [] as string[], refused: [] as string[] };
  for (let index = 0; index < count; index++) {
    const now = random() < 0.5 ? "2026-11-28T00:00:00Z" : "2027-03-01T00:00:00Z";
    const job = generateJob(own, random() < 0.5 ? "immutable" : (forms(now)[0] ?? "immutable"), random);
    const claims = claimsOf(job);
    const right = isOwn(job, own) && forms(now).includes(job.form);
    const isIn = await enters(trust, claims, now);
    if (isIn && right) found.accepted++;
    if (isIn && !right) found.foreign.push(`${now} ${JSON.stringify(claims)}`);
    if (!isIn && right) found.refused.push(`${now} ${JSON.stringify(claims)}`);
  }
  return found;
}

const trusts: [string, Trust][] = ["staging", "production"].flatMap((environment) => {
  const { aws, github } = derive(catalogue, environment);
  assert.ok(aws);
  return ["deploy", "drift", "rotate"].map((name): [string, Trust] => [
    `${name} of ${environment}`,
    { trust: trustOf(aws, name), own: own(`${name}.yml`, where(name, github)), forms: () => ["immutable"] },
  ]);
});

function trustOf({ roles }: AwsModel, name: string): PolicyDocument {
  const role = roles.find((each) => each.of === "github" && each.name.endsWith(`-${name}`));
  assert.ok(role, name);
  return role.trust;
}

/** The same for a repository that writes names alone, and for one that changes over. */
const { github } = derive(catalogue, "production");
const place = { account: "222222222222", region: "eu-west-1", environment: "production" };
const older = trustWorkflow(place, { ...repository, subject: "names" }, "deploy.yml", github);
const changing = trustWorkflow(
  place,
  { ...repository, subject: "immutable", "names-until": "2026-12-31" },
  "deploy.yml",
  github,
);
trusts.push(
  ["a repository of the old form", { trust: older, own: own("deploy.yml", github), forms: () => ["names"] }],
  [
    "a repository that changes over until a day",
    {
      trust: changing,
      own: own("deploy.yml", github),
      forms: (now) => (now < "2027" ? ["names", "immutable"] : ["immutable"]),
    },
  ],
);

suite(`the trust of a GitHub role admits its own job and no other, of ${subjects} generated ones (R11)`, () => {
  for (const [index, [name, trust]] of trusts.entries()) {
    test(name, async (t) => {
      const { accepted, foreign, refused } = await judge(trust, subjects, index + 1);
      assert.deepEqual({ foreign, refused }, { foreign: [], refused: [] });
      assert.ok(accepted > subjects / 20 && accepted < subjects / 2, `${accepted} of ${subjects} are own`);
      t.diagnostic(`${accepted} own jobs let in, ${subjects - accepted} others refused`);
    });
  }
});

suite("the generated jobs find a trust that is too wide", () => {
  const [statement] = older.Statement;
  const { StringEquals = {} } = statement?.Condition ?? {};
  for (const claim of Object.keys(StringEquals)) {
    test(`one that does not ask for ${claim.replace(`${issuer}:`, "")}`, async () => {
      const { [claim]: _, ...rest } = StringEquals;
      const trust = { ...older, Statement: [{ ...statement, Condition: { StringEquals: rest } }] };
      const wide: Trust = {
        trust: trust as PolicyDocument,
        own: own("deploy.yml", github),
        forms: () => ["names"],
      };
      assert.notDeepEqual((await judge(wide, 250, 1)).foreign, []);
    });
  }
});

test("each claim is bound, and none may be absent", async () => {
  for (const [name, { trust, own }] of trusts.slice(0, 6)) {
    const right = claimsOf({ ...generateJob(own, "immutable", () => 0), distorted: (subject) => subject });
    assert.equal(await enters(trust, right), true, name);
    for (const claim of ["aud", "sub", "repository_id", "repository_owner_id", "ref", "job_workflow_ref"]) {
      const { [claim]: _, ...absent } = right;
      assert.equal(await enters(trust, absent), false, `${name}: ${claim} absent`);
      assert.equal(await enters(trust, { ...absent, [claim]: "other" }), false, `${name}: ${claim} other`);
    }
  }
});
