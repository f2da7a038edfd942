import assert from "node:assert/strict";
import { test } from "node:test";
import { awsLoginConfigured, awsLoginExact, awsLoginThisVault } from "../../../policies/vault/aws.ts";
import { vault } from "../../../policies/vault/types.ts";
import { everything, everythingBut, findings, ruleSuite, shipped } from "../examples.ts";

ruleSuite(awsLoginExact, shipped(vault.awsRole), {
  unset: [{ boundIamPrincipalArns: undefined }, ["boundIamPrincipalArns is not one exact role"]],
  "every role of the account": [
    { boundIamPrincipalArns: ["arn:aws:iam::222222222222:role/*"] },
    ["boundIamPrincipalArns is not one exact role"],
  ],
  "two roles": [
    { boundIamPrincipalArns: ["arn:aws:iam::222222222222:role/a", "arn:aws:iam::222222222222:role/b"] },
    ["boundIamPrincipalArns is not one exact role"],
  ],
  "a machine of EC2": [{ authType: "ec2" }, ["authType is not iam"]],
  "a role that is made again": [
    { resolveAwsUniqueIds: false },
    ["a role that is made again under the same name would be taken for it"],
  ],
  "a batch token": [
    { tokenType: "batch" },
    ["tokenType is not service: its leases could not be ended with it"],
  ],
  "no policy": [{ tokenPolicies: [] }, ["tokenPolicies is not one policy"]],
});
ruleSuite(awsLoginThisVault, shipped(vault.awsClient), {
  unset: [{ iamServerIdHeaderValue: undefined }, ["iamServerIdHeaderValue is not this Vault's host"]],
  "another STS": [{ stsEndpoint: "https://sts.example.com" }, ["stsEndpoint is not that of stsRegion"]],
  "another region's": [{ stsRegion: "us-east-1" }, ["stsEndpoint is not that of stsRegion"]],
  "another IAM": [{ iamEndpoint: "https://iam.example.com" }, ["iamEndpoint is not AWS' own"]],
  "an access key": [{ accessKey: "planted" }, ["it holds an access key"]],
});
test("aws-login-configured: refuses roles of a mount that is configured for no Vault", () => {
  assert.deepEqual(findings(awsLoginConfigured, everything()), []);
  assert.deepEqual(
    [...new Set(findings(awsLoginConfigured, everythingBut(vault.awsClient)))],
    ["a login signed for another server is taken"],
  );
});
