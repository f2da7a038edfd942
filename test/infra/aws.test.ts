import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { peopleElsewhere } from "../../infra/aws/account.ts";
import { platform } from "../../infra/index.ts";
import { loadCatalogue, loadCatalogueFrom } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { realFiles } from "../model/real.ts";
import { local } from "../policies/real.ts";
import { type Declared, declared } from "./declared.ts";

const catalogue = await loadCatalogue("catalogue");

const code = { "rotate-due": "rotate-due", "rotate-postgres": "rotate-postgres" };
const model = derive(catalogue, "production");
const all = await declared(() => platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: code }));

/** What makes a credential that lasts, or somebody who would have one. */
const lasting = [
  "aws:iam/accessKey:AccessKey",
  "aws:iam/serviceSpecificCredential:ServiceSpecificCredential",
  "aws:iam/signingCertificate:SigningCertificate",
  "aws:iam/sshKey:SshKey",
  "aws:iam/user:User",
  "aws:iam/userLoginProfile:UserLoginProfile",
];

suite("no stack declares an access key, a password or a user in AWS", () => {
  for (const environment of ["local", "staging", "production"]) {
    const model = derive(catalogue, environment, environment === "local" ? local : undefined);
    const parts = ["all", "platform", ...new Set(model.systems.map(({ part }) => part))];
    test(`${environment}, in its ${parts.length} parts`, async () => {
      const found: string[] = [];
      let accounts = 0;
      for (const part of parts) {
        const { resources } = await declared(() =>
          platform(model, { part, bootstrapPasswords: {}, lambdaCode: code }),
        );
        accounts += resources.some(({ type }) => type === "aws:iam/role:Role") ? 1 : 0;
        found.push(...resources.filter(isLasting).map(({ urn }) => urn));
      }
      assert.deepEqual(found, []);
      // The account belongs to the whole and to the platform's part.
      assert.equal(accounts, 2);
    });
  }
});

suite("a retired user's place in Secrets Manager (safe removal)", () => {
  for (const [deleted, words] of [
    [false, "The Postgres user titan-proxy, retired since 2026-11-01."],
    [true, "The Postgres user titan-proxy, retired since 2026-11-01, to be deleted."],
  ] as const) {
    test(`stays${deleted ? "" : " guarded"} without readers, rotation and function${deleted ? ", and loses both guards" : ""}`, async () => {
      const { resources, one, of } = await retiredProxy(deleted);
      const secret = one(
        "aws:secretsmanager/secret:Secret",
        "keyplane/production/titan/ledger/titan-proxy-secret",
      );
      assert.deepEqual(
        [
          secret.protect,
          secret.retainOnDelete,
          secret.inputs.description,
          secret.inputs.recoveryWindowInDays,
        ],
        [!deleted, !deleted, words, 30],
      );
      assert.deepEqual(
        resources
          .filter(({ type }) => /secretPolicy|secretRotation|permission/.test(type))
          .map(({ urn }) => urn),
        [],
      );
      assert.deepEqual(
        of("aws:lambda/function:Function").map(({ inputs }) => inputs.name),
        ["keyplane-production-rotate-due"],
      );
    });
  }

  test("no log goes with its function: it is left in AWS until it ends by itself", () => {
    const logs = all.of("aws:cloudwatch/logGroup:LogGroup");
    assert.equal(logs.length, 3);
    for (const { name, inputs, protect, retainOnDelete } of logs) {
      assert.deepEqual(
        [inputs.skipDestroy, retainOnDelete, protect],
        [true, true, name.endsWith("/trail")],
        name,
      );
    }
  });
});

suite("people's group with the policy that asks for a second factor (R50)", () => {
  const groups = ({ of }: Pick<typeof all, "of">) =>
    [...of("aws:iam/group:Group"), ...of("aws:iam/groupPolicy:GroupPolicy")].map(({ type }) => type);

  test("is made in the environment's account where people are its users, and there is nothing to do by hand", () => {
    assert.deepEqual(groups({ of: all.of.bind(all) }), [
      "aws:iam/group:Group",
      "aws:iam/groupPolicy:GroupPolicy",
    ]);
    assert.equal(peopleElsewhere(model.aws), undefined);
  });

  test("is not made where people are users of another account: the output tells who makes it there, by which policy", async () => {
    const files = realFiles();
    const own = '    account: "222222222222"\n';
    const text = files["organization.yaml"] ?? "";
    assert.equal(text.split(own).length, 2);
    const organization = text.replace(own, `${own}      people: { account: "333333333333" }\n`);
    const other = derive(loadCatalogueFrom({ ...files, "organization.yaml": organization }), "production");
    const declaration = await declared(() =>
      platform(other, { part: "all", bootstrapPasswords: {}, lambdaCode: code }),
    );
    assert.deepEqual(groups({ of: declaration.of.bind(declaration) }), []);
    const told = peopleElsewhere(other.aws);
    assert.deepEqual([told?.account, told?.group], ["333333333333", "keyplane-production-people"]);
    assert.deepEqual(told?.policy, model.aws?.people.policy);
    // What trusts them is there all the same.
    const { assumeRolePolicy } = declaration.one(
      "aws:iam/role:Role",
      "keyplane-production-administrator",
    ).inputs;
    assert.match(String(assumeRolePolicy), /arn:aws:iam::333333333333:user\/ada/);
  });
});

/** Production, where the one user that Secrets Manager keeps is retired. */
async function retiredProxy(deleted: boolean) {
  const files = realFiles();
  const kept = "        secrets-manager: { read-by: [titan-rds-proxy] }\n";
  const mark = `        retired: { since: 2026-11-01, reason: The proxy is gone, delete: ${deleted} }\n`;
  const titan = (files["systems/titan.yaml"] ?? "").replace(kept, kept + mark);
  const retired = derive(loadCatalogueFrom({ ...files, "systems/titan.yaml": titan }), "production");
  const declaration = await declared(() =>
    platform(retired, { part: "all", bootstrapPasswords: {}, lambdaCode: code }),
  );
  return {
    resources: declaration.resources,
    one: declaration.one.bind(declaration),
    of: declaration.of.bind(declaration),
  };
}

suite("alarms on what AWS itself counts", () => {
  const metrics = (namespace: string) =>
    all
      .of("aws:cloudwatch/metricAlarm:MetricAlarm")
      .filter(({ inputs }) => inputs.namespace === namespace)
      .map(({ inputs }) => [inputs.metricName, inputs.dimensions]);
  const names = all.of("aws:lambda/function:Function").map(({ inputs }) => inputs.name);

  test("are of the declared functions: failed, kept waiting, and the scheduled one not called for half an hour", () => {
    assert.equal(names.length, 2);
    const due = "keyplane-production-rotate-due";
    assert.deepEqual(
      new Set(metrics("AWS/Lambda").map((one) => JSON.stringify(one))),
      new Set(
        [
          ...["Errors", "Throttles"].flatMap((metric) =>
            names.map((FunctionName) => [metric, { FunctionName }]),
          ),
          ["Invocations", { FunctionName: due }],
        ].map((one) => JSON.stringify(one)),
      ),
    );
    const { period, comparisonOperator, treatMissingData } = all.one(
      "aws:cloudwatch/metricAlarm:MetricAlarm",
      `${due}-not-run`,
    ).inputs;
    assert.deepEqual(
      [period, comparisonOperator, treatMissingData],
      [1800, "LessThanThreshold", "breaching"],
    );
  });

  test("are of the declared queue, where every function and the schedule put what failed", () => {
    const [queue] = all.of("aws:sqs/queue:Queue");
    assert.deepEqual(metrics("AWS/SQS"), [
      ["ApproximateNumberOfMessagesVisible", { QueueName: queue?.inputs.name }],
    ]);
    assert.equal(queue?.inputs.name, model.aws?.deadLetters);
  });
});

suite("Vault's roles of functions", () => {
  const of = (type: string, name: string) => all.one(type, name).urn;
  for (const { role, vault } of model.aws?.functions ?? []) {
    const { dependsOn, deleteBeforeReplace, replacementTrigger } = all.one(
      "vault:aws/authBackendRole:AuthBackendRole",
      vault.role,
    );
    test(`${vault.role} waits for the IAM role that Vault looks up, and for Vault's right to look it up`, () => {
      assert.deepEqual(
        dependsOn.toSorted(),
        [
          of("vault:aws/authBackendClient:AuthBackendClient", "aws"),
          of("aws:iam/role:Role", role),
          of("aws:iam/rolePolicy:RolePolicy", "keyplane-production-vault"),
        ].sort(),
      );
    });
    test(`${vault.role} is made anew, on the same path, once the IAM role is another one`, () => {
      assert.deepEqual([replacementTrigger, deleteBeforeReplace], [`unique-id-of-${role}`, true]);
    });
  }
});

/** By its type, or by an argument that holds a key or a password of AWS. */
function isLasting({ type, inputs }: Declared): boolean {
  if (lasting.includes(type)) return true;
  return (
    type.startsWith("aws:") &&
    /"(accessKey|secretKey|password|secretString|secretBinary)"/.test(JSON.stringify(inputs))
  );
}
