import assert from "node:assert/strict";
import { test } from "node:test";
import { argumentsKnown } from "../../policies/arguments.ts";
import { everything, findings, ruleSuite, shipped } from "./examples.ts";

const odd = (path: string) => `${path} is set, which nobody has thought of here`;

/** What an author might add and no other rule reads. */
const added: [type: string, ...arguments_: [path: string, value: unknown][]][] = [
  [
    "vault:index/mount:Mount",
    ["passthroughRequestHeaders", ["Authorization"]],
    ["delegatedAuthAccessors", ["x"]],
    ["pluginVersion", "v0"],
  ],
  ["vault:index/policy:Policy", ["namespace", "x"]],
  [
    "vault:jwt/authBackendRole:AuthBackendRole",
    ["verboseOidcLogging", true],
    ["disableBoundClaimsParsing", true],
    ["groupsClaim", "repository"],
  ],
  [
    "vault:jwt/authBackend:AuthBackend",
    ["providerConfig", { provider: "x" }],
    ["namespaceInState", false],
    ["tune.passthroughRequestHeaders", ["x"]],
  ],
  [
    "vault:database/secretBackendConnection:SecretBackendConnection",
    ["pluginName", "evil"],
    ["rootRotationStatements", ["x"]],
    ["postgresql.disableEscaping", true],
  ],
  ["vault:database/secretBackendRole:SecretBackendRole", ["rollbackStatements", ["x"]]],
  ["vault:identity/mfaLoginEnforcement:MfaLoginEnforcement", ["identityGroupIds", ["x"]]],
  ["aws:kms/key:Key", ["multiRegion", true]],
  ["aws:iam/role:Role", ["permissionsBoundary", "x"]],
  ["aws:secretsmanager/secret:Secret", ["policy", "{}"], ["replicas", [{ region: "us-east-1" }]]],
  ["aws:sns/topic:Topic", ["policy", "{}"]],
  ["aws:sns/topicSubscription:TopicSubscription", ["filterPolicy", "{}"]],
  [
    "aws:s3/bucket:Bucket",
    ["policy", "{}"],
    ["acl", "public-read"],
    ["grants", [{}]],
    ["website", { indexDocument: "x" }],
    ["lifecycleRules", [{}]],
  ],
  [
    "aws:lambda/function:Function",
    ["loggingConfig", { logGroup: "x" }],
    ["fileSystemConfig", { arn: "x" }],
    ["vpcConfig.ipv6AllowedForDualStack", true],
  ],
  ["aws:scheduler/schedule:Schedule", ["endDate", "2020-01-01T00:00:00Z"]],
  ["aws:cloudtrail/trail:Trail", ["s3KeyPrefix", "x"], ["advancedEventSelectors", [{}]]],
  ["aws:cloudwatch/logGroup:LogGroup", ["logGroupClass", "INFREQUENT_ACCESS"]],
];
for (const [type, ...places] of added) {
  ruleSuite(
    argumentsKnown,
    shipped(type),
    Object.fromEntries(
      places.map(([path, value]) => [`${type} with ${path}`, [{ [path]: value }, [odd(path)]]]),
    ),
  );
}

test("arguments-known: passes the shipped program", () =>
  assert.deepEqual(findings(argumentsKnown, everything()), []));

test("arguments-known: takes what a provider has filled in, and what is off", () => {
  const { type, props } = shipped("aws:kms/key:Key");
  const filled = {
    ...props,
    keyUsage: "ENCRYPT_DECRYPT",
    __defaults: ["keyUsage"],
    multiRegion: false,
    xksKeyId: "",
  };
  assert.deepEqual(findings(argumentsKnown, [{ type, props: filled }]), []);
});
