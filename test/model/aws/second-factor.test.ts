import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import type { PolicyDocument } from "../../../model/aws.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { type Action, actionsOf, filled } from "./actions.ts";
import { page } from "./rights.ts";
import { allowed } from "./simulator.ts";

const isWhole = process.env.KEYPLANE_SCALE === "prove";
const { aws } = derive(await loadCatalogue("catalogue"), "production");
assert.ok(aws);
const { account, region, people, roles, keys } = aws;

const ada = `arn:aws:iam::${account}:user/ada`;
/** The key is absent where somebody uses an access key, or a service acts for them. */
const factors = ["true", "false", undefined] as const;

function session(factor: (typeof factors)[number], age = "10"): Record<string, string> {
  return {
    "aws:username": "ada",
    "aws:PrincipalArn": ada,
    ...(factor !== undefined && { "aws:MultiFactorAuthPresent": factor }),
    ...(factor === "true" && { "aws:MultiFactorAuthAge": age }),
  };
}

/** Whether Ada may do something about a user or a device; by the group's own policy and without a second factor unless said. */
function adaMay(
  action: string,
  about: string,
  { rights = people.policy, factor }: { rights?: PolicyDocument; factor?: (typeof factors)[number] } = {},
): Promise<boolean> {
  const resource = `arn:aws:iam::${account}:${about}`;
  return allowed({ principal: ada, action, resource, account, rights, context: session(factor) });
}

/**
 * What AWS' own example leaves open without a second factor (DenyAllExceptListedIfNoMFA), word for word. A password is none
 * of it: AWS says so, and to let people in only once they have changed theirs.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_examples_aws_my-sec-creds-self-manage-mfa-only.html
 */
const byAws = [
  "iam:CreateVirtualMFADevice",
  "iam:EnableMFADevice",
  "iam:GetUser",
  "iam:GetMFADevice",
  "iam:ListMFADevices",
  "iam:ListVirtualMFADevices",
  "iam:ResyncMFADevice",
  "sts:GetSessionToken",
];

/** What is open beside it, and why: the page says so to whoever reads it. */
const beside: Record<string, RegExp> = {
  "iam:DeleteVirtualMFADevice": /breaks off setting one up deletes the device that\s+nobody\s+has/,
  // https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
  "sts:GetCallerIdentity": /AWS answers `sts:GetCallerIdentity` whatever a policy says/,
};

const leftOpen = [...byAws, ...Object.keys(beside)];
const selfService = leftOpen.filter(
  (name) => !["iam:ListVirtualMFADevices", "sts:GetSessionToken", "sts:GetCallerIdentity"].includes(name),
);

/** Of people's own things and the console, every action; of the others one of each class, and all in `prove`. */
const own = ["account", "iam", "organizations", "signin", "sso", "sts"];
const others = [
  ...["access-analyzer", "cloudtrail", "cloudwatch", "ec2", "kms", "lambda", "logs", "s3", "scheduler"],
  ...["secretsmanager", "sns", "sqs"],
];

async function asked(): Promise<Action[]> {
  const actions = await Promise.all(own.map(actionsOf));
  for (const service of others) {
    const all = await actionsOf(service);
    const levels = new Set(all.map(({ level }) => level));
    actions.push(
      isWhole ? all : [...levels].flatMap((level) => all.find((one) => one.level === level) ?? []),
    );
  }
  return actions.flat();
}

/** Somebody with every right, in no group; and in that of people. */
const everything: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [{ Sid: "All", Effect: "Allow", Action: "*", Resource: "*" }],
};
const inGroup: PolicyDocument = {
  ...everything,
  Statement: [...people.policy.Statement, ...everything.Statement],
};

/** Each action on each of the things that it knows, all named after one user; nobody's once. */
function requests(actions: Action[], name: string): { action: string; resource: string }[] {
  return actions.flatMap(({ name: action, patterns }) => {
    if (patterns.length === 0) return name === "ada" ? [{ action, resource: "*" }] : [];
    const asked = own.includes(action.split(":")[0] ?? "") ? patterns : patterns.slice(0, 1);
    return asked.map((pattern) => ({ action, resource: filled(pattern, { account, region, name }) }));
  });
}

suite("without a second factor a person sets up their own and does nothing else, whatever else they may (R50)", async () => {
  const actions = await asked();
  for (const level of ["List", "Read", "Write", "Permissions management", "Tagging"] as const) {
    const some = actions.filter((action) => action.level === level);
    for (const whose of ["ada", "ben"]) {
      const all = requests(some, whose);
      const open = whose === "ada" ? leftOpen : [];
      for (const factor of factors) {
        test(`${all.length} requests of the class ${level} on what is ${whose}'s, with the key ${factor ?? "absent"}`, async () => {
          assert.ok(all.length > 5);
          const passed = [];
          for (const { action, resource } of all) {
            const isAllowed = await allowed({
              principal: ada,
              action,
              resource,
              account,
              rights: inGroup,
              // A key has to agree.
              ...(action.startsWith("kms:") && keys[0] !== undefined && { policy: keys[0].policy }),
              context: session(factor),
            });
            if (isAllowed) passed.push({ action, resource });
          }
          assert.deepEqual(
            passed,
            // A telephone is no device that anybody makes: AWS takes no new ones.
            factor === "true"
              ? all
              : all.filter(
                  ({ action, resource }) => open.includes(action) && !resource.includes(":sms-mfa/"),
                ),
          );
        });
      }
    }
  }

  test("every action of self-service is among those that were asked", () => {
    const names = new Set(actions.map(({ name }) => name));
    assert.deepEqual(
      leftOpen.filter((name) => !names.has(name)),
      [],
    );
  });

  test("of what is somebody's, each action of self-service was asked of one's own and of another's", () => {
    for (const whose of ["ada", "ben"]) {
      const names = new Set(requests(actions, whose).map(({ action }) => action));
      assert.deepEqual(
        selfService.filter((name) => !names.has(name)),
        [],
      );
    }
  });
});

test("a second device, of another name than one's own, is not made without a second factor (R50)", async () => {
  for (const [device, factor, expected] of [
    ["ada", undefined, true],
    ["ada-2", undefined, false],
    ["ada", "false", true],
    ["ada-2", "false", false],
    ["ada-2", "true", true],
  ] as const) {
    const may = await adaMay("iam:CreateVirtualMFADevice", `mfa/${device}`, { rights: inGroup, factor });
    assert.equal(may, expected, `${device} with the key ${factor ?? "absent"}`);
  }
});

test("who broke off setting up takes their device away that nobody has, and begins again; no one else's (R50)", async () => {
  for (const device of ["ada", "ada-2", "ben"]) {
    const may = await adaMay("iam:DeleteVirtualMFADevice", `mfa/${device}`);
    assert.equal(may, device === "ada", device);
  }
});

test("the group's own policy gives a person their own second factor, and nobody else's (R50)", async () => {
  for (const name of ["ada", "ben"]) {
    for (const action of ["iam:EnableMFADevice", "iam:ResyncMFADevice", "iam:GetUser"]) {
      const may = await adaMay(action, `user/${name}`);
      assert.equal(may, name === "ada", `${action} of ${name}`);
    }
  }
});

test("nobody changes a password without a second factor, their own neither; with one, the group lets each change their own (R50)", async () => {
  for (const factor of factors) {
    for (const [rights, name, expected] of [
      [people.policy, "ada", factor === "true"],
      [people.policy, "ben", false],
      [inGroup, "ada", factor === "true"],
    ] as const) {
      const may = await adaMay("iam:ChangePassword", `user/${name}`, { rights, factor });
      assert.equal(may, expected, `${name}'s, with the key ${factor ?? "absent"}`);
    }
  }
});

test("the page says what is open without a second factor beside AWS' own example, and why, and that no password is (R50)", async () => {
  const text = await readFile(page, "utf8");
  for (const [action, why] of Object.entries(beside)) assert.match(text, why, action);
  assert.match(text, /A password is not changed without a second\s+factor/);
});

suite("no person's role is taken without a second factor, nor by anybody who is not named (R50)", () => {
  const persons = roles.filter(({ of }) => of === "person");
  test("there are such roles", () => assert.equal(persons.length, 2));
  for (const { name, trust } of persons) {
    // By the catalogue: two administrators, who audit as well, and one who only audits.
    const takers = [
      ...["ada", "ben", "ines", "eve"].map((user) => `arn:aws:iam::${account}:user/${user}`),
      "arn:aws:iam::999999999999:user/ada",
      `arn:aws:iam::${account}:role/keyplane-production-deploy`,
      `arn:aws:iam::${account}:root`,
    ];
    const expected: Record<string, string[]> = {
      "keyplane-production-administrator": takers.slice(0, 2),
      "keyplane-production-auditor": takers.slice(0, 3),
    };
    for (const factor of factors) {
      for (const age of factor === "true" ? ["10", "3599", "3600", "90000"] : ["10"]) {
        test(`${name} with the key ${factor ?? "absent"}${factor === "true" ? ` for ${age} s` : ""}`, async () => {
          const entered = [];
          for (const principal of takers) {
            const may = await allowed({
              principal,
              action: "sts:AssumeRole",
              resource: `arn:aws:iam::${account}:role/${name}`,
              account,
              rights: everything,
              policy: trust,
              context: { ...session(factor, age), "aws:PrincipalArn": principal },
            });
            if (may) entered.push(principal);
          }
          assert.deepEqual(entered, factor === "true" && Number(age) < 3600 ? expected[name] : []);
        });
      }
    }
  }
});
