import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
import { count, number, record, text, texts } from "../value.ts";
import { signature } from "../wire.ts";
import { isLocal, nameIn, nameOf } from "./place.ts";
import { aws } from "./types.ts";

const secretName = /(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)(_|$)/i;
/** What a name may end with when it says where a value is, and not the value. */
const reference = /_(ARN|FILE|PATH|ID|NAME|URL|ADDR)$/i;

export const functionNoSecret: ResourceRule = {
  name: "aws-lambda-no-secret",
  sentence: "No rotation Lambda has a secret among its variables, and those are encrypted by a key of ours.",
  severity: "critical",
  fix: "Let it log in to Vault, or read the secret by its ARN; set kmsKeyArn.",
  controls: [
    "NIST-800-53r5/IA-5(7)",
    "NIST-800-53r5/SC-28(1)",
    "OWASP-Secrets/5.1-injection",
    "R42",
    "R53",
    "R55",
  ],
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
  sentence: "A rotation Lambda that fails leaves its event in a queue, and none is kept from running.",
  severity: "high",
  fix: "Set deadLetterConfig.targetArn; leave reservedConcurrentExecutions out, or set it to 1 or more.",
  controls: ["NIST-800-53r5/SC-24", "R14"],
  types: [aws.function],
  *judge({ props }) {
    if (text(record(props.deadLetterConfig).targetArn) === undefined) yield "deadLetterConfig is not set";
    // -1 reserves nothing; 0 stops it. https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    const { reservedConcurrentExecutions: reserved } = props;
    if (reserved !== undefined && reserved !== -1 && (number(reserved) ?? 0) < 1)
      yield "reservedConcurrentExecutions lets none run";
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
    // On the local stack the emulator runs it as a process of this machine.
    if (!isLocal(urn)) {
      if (!areIds(subnetIds, "subnet") || !areIds(securityGroupIds, "sg"))
        yield "vpcConfig names no subnet or security group";
    }
    if (!/^nodejs(22|24|26)\.x$/.test(text(props.runtime) ?? ""))
      yield `the runtime is ${text(props.runtime) ?? "not set"}`;
  },
};

function areIds(value: unknown, kind: string): boolean {
  const ids = texts(value);
  return ids.length > 0 && ids.every((id) => new RegExp(`^${kind}-[0-9a-f]{8,17}$`).test(id));
}

export const functionBounded: ResourceRule = {
  name: "aws-lambda-bounded",
  sentence:
    "A function ends: its time and its memory have bounds that it can work in, and it reserves few runs.",
  severity: "medium",
  fix: "Set timeout to 60 to 900 seconds, memorySize to 128 to 3008 MB, and reservedConcurrentExecutions to 10 at most.",
  controls: ["NIST-800-53r5/SC-6", "R14"],
  types: [aws.function],
  *judge({ props }) {
    const within = (value: unknown, least: number, most: number) => {
      const found = number(value) ?? 0;
      return found >= least && found <= most;
    };
    // Without it Lambda stops it after three seconds, in the middle of a rotation.
    if (!within(props.timeout, 60, 900)) yield "timeout is not between 60 and 900";
    if (!within(props.memorySize, 128, 3008)) yield "memorySize is not between 128 and 3008";
    if ((number(props.reservedConcurrentExecutions) ?? 0) > 10)
      yield "reservedConcurrentExecutions is over 10";
  },
};

/** The kind of special value that an archive is. */
const archive = "0def7320c3a5731c473e5ecbe6d01bc7"; // pragma: allowlist secret

/** Each is in a folder of its own: model/aws.ts names them. */
const bundle = /(^|\/)(rotate-due|rotate-postgres)$/;

export const functionCodeOurs: ResourceRule = {
  name: "aws-lambda-code-ours",
  sentence:
    "A function runs the code that was reviewed with the program, bundled from it, and enters it by name.",
  severity: "critical",
  fix: "Give `code` the folder of its bundle, and `handler` index.handler; leave s3Bucket, imageUri and layers out.",
  controls: ["NIST-800-53r5/CM-3", "R14", "R55"],
  types: [aws.function],
  *judge({ props }) {
    const code = record(props.code);
    const folder = text(code.path);
    const isArchive = code[signature] === archive && (folder !== undefined || text(code.hash) !== undefined);
    if (!isArchive || !bundle.test(folder ?? "/rotate-due"))
      yield "code is no folder of this program's bundles";
    for (const name of ["s3Bucket", "s3Key", "imageUri"])
      if (text(props[name]) !== undefined) yield `${name} brings code from elsewhere`;
    if (count(props.layers) > 0) yield "layers brings code from elsewhere";
    if (props.handler !== "index.handler") yield "handler is not index.handler, which every bundle has";
  },
};

export const functionsLogged: StackRule = {
  name: "aws-lambda-log-declared",
  sentence:
    "Every function's log is declared: one that Lambda makes is kept for ever and encrypted by no key of ours.",
  severity: "medium",
  fix: "Declare the log group /aws/lambda/<function>.",
  controls: ["NIST-800-53r5/AU-11", "NIST-800-53r5/SC-28(1)", "R51"],
  *judgeStack(resources) {
    const logs = ofType(resources, aws.logGroup).map(({ props }) => text(props.name));
    for (const each of ofType(resources, aws.function)) {
      if (!logs.includes(`/aws/lambda/${nameOf(each)}`))
        yield { urn: each.urn, message: "its log is not declared" };
    }
  },
};

export const functionsCalled: StackRule = {
  name: "aws-lambda-called",
  sentence: "Every function is called by somebody: a schedule, or Secrets Manager.",
  severity: "high",
  fix: "Declare a schedule that targets it, or a permission for who calls it.",
  controls: ["OWASP-Secrets/2.7.2-rotation", "R14"],
  *judgeStack(resources) {
    const called = new Set([
      ...ofType(resources, aws.functionPermission).map(({ props }) => text(props.function)),
      ...ofType(resources, aws.schedule).map(({ props }) => nameIn(text(record(props.target).arn) ?? "")),
    ]);
    for (const each of ofType(resources, aws.function)) {
      if (!called.has(nameOf(each))) yield { urn: each.urn, message: "nobody calls it" };
    }
  },
};

export const functionCallersNamed: ResourceRule = {
  name: "aws-lambda-callers-named",
  sentence: "Secrets Manager alone, for this account, calls a rotation Lambda; it has no address of its own.",
  severity: "critical",
  fix: "Set principal, and sourceArn or sourceAccount; declare no function URL without authorization.",
  controls: ["NIST-800-53r5/AC-3", "NIST-800-53r5/SC-7", "R7", "R14"],
  types: [aws.functionPermission, aws.functionUrl],
  *judge({ type, props }) {
    if (type === aws.functionUrl) {
      if (props.authorizationType !== "AWS_IAM") yield "its address is open to everyone";
      return;
    }
    if (props.action !== "lambda:InvokeFunction") yield "it may do more than call it";
    const account = props.sourceAccount;
    if (account !== undefined && !/^\d{12}$/.test(text(account) ?? "")) yield "sourceAccount is no account";
    const principal = text(props.principal);
    if (principal === undefined || principal.includes("*")) yield "everyone may call it";
    // A schedule calls as its role, which has the right.
    else if (principal !== "secretsmanager.amazonaws.com") yield `${principal} may call it`;
    else if (
      principal.endsWith(".amazonaws.com") &&
      text(props.sourceArn) === undefined &&
      text(props.sourceAccount) === undefined
    ) {
      yield "the service calls it for any account";
    }
  },
};
