import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { platform } from "../../infra/index.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
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
