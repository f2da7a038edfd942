import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
import { text, texts } from "../value.ts";
import { vault } from "./types.ts";

export const awsLoginExact: ResourceRule = {
  name: "aws-login-exact",
  sentence: "A function logs in to Vault as one exact IAM role.",
  severity: "critical",
  fix: "Set authType iam, boundIamPrincipalArns to the role's ARN alone, and resolveAwsUniqueIds.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/IA-9", "OWASP-Secrets/2.3-access-control", "R7", "R13"],
  types: [vault.awsRole],
  *judge({ urn, props }) {
    if (props.authType !== "iam") yield "authType is not iam";
    const roles = texts(props.boundIamPrincipalArns);
    if (roles.length !== 1 || !/^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/.test(roles[0] ?? "")) {
      yield "boundIamPrincipalArns is not one exact role";
    }
    // The emulator of the local stack cannot be asked for the id.
    if (props.resolveAwsUniqueIds !== true && !/^urn:pulumi:local[.:]/.test(urn)) {
      yield "a role that is made again under the same name would be taken for it";
    }
    if (props.tokenType !== "service")
      yield "tokenType is not service: its leases could not be ended with it";
    if (texts(props.tokenPolicies).length !== 1) yield "tokenPolicies is not one policy";
  },
};

export const awsLoginThisVault: ResourceRule = {
  name: "aws-login-this-vault",
  sentence: "A login from AWS is signed for this Vault and no other server, and holds no key of AWS.",
  severity: "critical",
  fix: "Set iamServerIdHeaderValue to this Vault's host, stsEndpoint to its region's, and leave iamEndpoint, accessKey and secretKey out.",
  controls: ["NIST-800-53r5/IA-9", "NIST-800-53r5/SC-23", "R7", "R59"],
  types: [vault.awsClient],
  *judge({ urn, props }) {
    if (!/^[a-z0-9.-]+(:\d+)?$/.test(text(props.iamServerIdHeaderValue) ?? ""))
      yield "iamServerIdHeaderValue is not this Vault's host";
    // Whoever answers for STS decides who everybody is.
    const here = /^urn:pulumi:local[.:]/.test(urn) ? /^http:\/\/127\.0\.0\.1:\d+$/ : undefined;
    const region = text(props.stsRegion) ?? "";
    const sts = here ?? new RegExp(`^https://sts\\.${region}\\.amazonaws\\.com$`);
    if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(region) || !sts.test(text(props.stsEndpoint) ?? ""))
      yield "stsEndpoint is not that of stsRegion";
    if (here === undefined ? props.iamEndpoint !== undefined : !here.test(text(props.iamEndpoint) ?? ""))
      yield "iamEndpoint is not AWS' own";
    if (props.accessKey !== undefined || props.secretKey !== undefined) yield "it holds an access key";
  },
};

export const awsLoginConfigured: StackRule = {
  name: "aws-login-configured",
  sentence: "Where roles of AWS log in, the login is configured for this Vault.",
  severity: "critical",
  fix: "Declare the mount's client configuration beside its roles.",
  controls: ["NIST-800-53r5/IA-9", "NIST-800-53r5/SC-23", "R7"],
  *judgeStack(resources) {
    const configured = ofType(resources, vault.awsClient).map(({ props }) => text(props.backend));
    for (const { urn, type, props } of resources) {
      if (type === vault.awsRole && !configured.includes(text(props.backend)))
        yield { urn, message: "a login signed for another server is taken" };
    }
  },
};
