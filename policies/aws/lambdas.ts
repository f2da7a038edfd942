import type { ResourceRule } from "../rule.ts";
import { number, record, text } from "../value.ts";
import { aws } from "./types.ts";

const secretName = /(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)(_|$)/i;
/** What a name may end with when it says where a value is, and not the value. */
const reference = /_(ARN|FILE|PATH|ID|NAME|URL|ADDR)$/i;

export const functionNoSecret: ResourceRule = {
  name: "aws-lambda-no-secret",
  sentence: "No rotation Lambda has a secret among its variables, and those are encrypted by a key of ours.",
  severity: "critical",
  fix: "Let it log in to Vault, or read the secret by its ARN; set kmsKeyArn.",
  controls: ["NIST-800-53r5/SC-28", "OWASP-Secrets/5.1-injection", "R42", "R53", "R55"],
  types: [aws.function],
  *judge({ props }) {
    const variables = record(record(props.environment).variables);
    for (const name of Object.keys(variables)) {
      if (secretName.test(name) && !reference.test(name)) yield `${name} is the name of a live value`;
    }
    if (Object.keys(variables).length > 0 && text(props.kmsKeyArn) === undefined)
      yield "kmsKeyArn is not set";
  },
};

export const functionFailsLoudly: ResourceRule = {
  name: "aws-lambda-fails-loudly",
  sentence: "A rotation Lambda that fails leaves its event in a queue, and cannot run in any number at once.",
  severity: "high",
  fix: "Set deadLetterConfig.targetArn and reservedConcurrentExecutions.",
  controls: ["NIST-800-53r5/AU-5", "NIST-800-53r5/SI-11", "R14"],
  types: [aws.function],
  *judge({ props }) {
    if (text(record(props.deadLetterConfig).targetArn) === undefined) yield "deadLetterConfig is not set";
    const most = number(props.reservedConcurrentExecutions);
    if (most === undefined || most < 1) yield "reservedConcurrentExecutions is not set";
  },
};

export const functionInside: ResourceRule = {
  name: "aws-lambda-inside",
  sentence:
    "A rotation Lambda reaches Vault and databases from inside the network, on a runtime that is maintained.",
  severity: "high",
  fix: "Set vpcConfig with subnets and security groups, and a current Node runtime.",
  controls: ["NIST-800-53r5/SC-7", "NIST-800-53r5/SI-2", "R14", "R53"],
  types: [aws.function],
  *judge({ urn, props }) {
    const { subnetIds, securityGroupIds } = record(props.vpcConfig);
    const length = (value: unknown) => (Array.isArray(value) ? value.length : 0);
    // On the local stack the emulator runs it as a process of this machine.
    const here = /^urn:pulumi:local[.:]/.test(urn);
    if (!here && (length(subnetIds) === 0 || length(securityGroupIds) === 0))
      yield "vpcConfig names no subnet or security group";
    if (!/^nodejs(22|24|26)\.x$/.test(text(props.runtime) ?? ""))
      yield `the runtime is ${text(props.runtime) ?? "not set"}`;
  },
};

export const functionCallersNamed: ResourceRule = {
  name: "aws-lambda-callers-named",
  sentence:
    "Only a named service, for a named source, calls a rotation Lambda; it has no address of its own.",
  severity: "critical",
  fix: "Set principal, and sourceArn or sourceAccount; declare no function URL without authorization.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/SC-7", "R7", "R14"],
  types: [aws.functionPermission, aws.functionUrl],
  *judge({ type, props }) {
    if (type === aws.functionUrl) {
      if (props.authorizationType !== "AWS_IAM") yield "its address is open to everyone";
      return;
    }
    const principal = text(props.principal);
    if (principal === undefined || principal.includes("*")) yield "everyone may call it";
    else if (
      principal.endsWith(".amazonaws.com") &&
      text(props.sourceArn) === undefined &&
      text(props.sourceAccount) === undefined
    ) {
      yield "the service calls it for any account";
    }
  },
};

export const scheduleRetries: ResourceRule = {
  name: "aws-schedule-on",
  sentence: "A schedule of rotations is on, retries, and puts what fails aside.",
  severity: "high",
  fix: "Leave state ENABLED and set target.deadLetterConfig.",
  controls: ["NIST-800-53r5/AU-5", "OWASP-Secrets/2.7.2-rotation", "R14"],
  types: [aws.schedule],
  *judge({ props }) {
    if (props.state !== undefined && props.state !== "ENABLED") yield "the schedule is off";
    const target = record(props.target);
    if (text(record(target.deadLetterConfig).arn) === undefined) yield "target.deadLetterConfig is not set";
    if (number(record(target.retryPolicy).maximumRetryAttempts) === 0) yield "it never tries again";
  },
};
