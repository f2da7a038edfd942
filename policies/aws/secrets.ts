import { ofType } from "../resource.ts";
import type { Props, ResourceRule, StackRule } from "../rule.ts";
import { number, record, text } from "../value.ts";
import { statements } from "./documents.ts";
import { nameIn, nameOf } from "./place.ts";
import { databaseSettings } from "./settings.ts";
import { aws } from "./types.ts";

/** By the description that infra/aws gives the secret of a retired user. */
const isRetired = ({ description }: Props) => /, retired since \d{4}-\d\d-\d\d/.test(text(description) ?? "");

/** Of one whose deletion a reviewed change has allowed. */
export const isToBeDeleted = (props: Props) =>
  isRetired(props) && /, to be deleted\.$/.test(text(props.description) ?? "");

export const secretEncrypted: ResourceRule = {
  name: "aws-secret-own-key",
  sentence:
    "A secret in Secrets Manager is encrypted by a key of ours and can be brought back for a week or more.",
  severity: "high",
  fix: "Set kmsKeyId, and leave recoveryWindowInDays at 30 or at least 7.",
  controls: ["NIST-800-53r5/SC-28(1)", "OWASP-Secrets/2.7-lifecycle", "R22", "R53"],
  types: [aws.secret],
  *judge({ props }) {
    const key = text(props.kmsKeyId);
    if (key === undefined || /aws\/secretsmanager/.test(key)) yield "kmsKeyId is not a key of ours";
    const window = props.recoveryWindowInDays;
    if (window !== undefined && (number(window) ?? 0) < 7) yield "recoveryWindowInDays is under 7";
    if ((number(window) ?? 0) > 30) yield "recoveryWindowInDays is over 30, which AWS does not take";
    if (props.forceOverwriteReplicaSecret === true)
      yield "a secret of the same name elsewhere is overwritten";
  },
};

export const secretNoVersion: ResourceRule = {
  name: "aws-secret-no-value",
  sentence: "No secret's value passes through the program: the rotation engine writes it.",
  severity: "critical",
  fix: "Declare the secret alone.",
  controls: ["NIST-800-53r5/IA-5(7)", "OWASP-Secrets/2.7.1-creation", "R53", "R55"],
  types: [aws.secretVersion],
  *judge() {
    yield "a version of a secret is a live value in the state";
  },
};

const reading: readonly string[] = ["secretsmanager:describesecret", "secretsmanager:getsecretvalue"];

export const secretPolicyNarrow: ResourceRule = {
  name: "aws-secret-policy-narrow",
  sentence: "A secret's own policy names who reads it, lets them do nothing else, and refuses public access.",
  severity: "critical",
  fix: "Name the principals and set blockPublicPolicy.",
  controls: ["NIST-800-53r5/AC-3", "OWASP-Secrets/2.3-access-control", "R7"],
  types: [aws.secretPolicy],
  *judge({ type, props }) {
    if (props.blockPublicPolicy !== true) yield "blockPublicPolicy is not true";
    for (const { allow, actions, principals, notPrincipals } of statements(type, props)) {
      if (!allow) continue;
      if (notPrincipals || principals.some((principal) => principal.includes("*")))
        yield "everyone may read it";
      const more = actions.filter((action) => !reading.includes(action));
      if (more.length > 0) yield `who reads it may also ${more.join(", ")}`;
    }
  },
};

export const secretRotates: ResourceRule = {
  name: "aws-secret-rotation",
  sentence: "A secret that AWS rotates does so within 90 days.",
  severity: "high",
  fix: "Set rotationRules.automaticallyAfterDays to at most 90, and rotationLambdaArn.",
  controls: ["NIST-800-53r5/IA-5", "OWASP-Secrets/2.7.2-rotation", "R14"],
  types: [aws.secretRotation],
  *judge({ props }) {
    if (text(props.rotationLambdaArn) === undefined) yield "rotationLambdaArn is not set";
    const { automaticallyAfterDays, duration } = record(props.rotationRules);
    const days = number(automaticallyAfterDays);
    if (days === undefined || days < 1 || days > 90) yield "automaticallyAfterDays is not between 1 and 90";
    if (duration !== undefined && !/^([1-9]|1\d|2[0-4])h$/.test(text(duration) ?? ""))
      yield "duration is not between 1h and 24h";
  },
};

export const secretsRotate: StackRule = {
  name: "aws-secret-rotation-declared",
  sentence:
    "Every secret in Secrets Manager that is not retired rotates, by a function that serves it and that Secrets Manager may call.",
  severity: "high",
  fix: "Declare a rotation for the secret, a permission for its function, and a function of its database.",
  controls: ["NIST-800-53r5/IA-5", "OWASP-Secrets/2.7.2-rotation", "R14"],
  *judgeStack(resources) {
    const of = (wanted: string) => ofType(resources, wanted);
    const secrets = of(aws.secret).filter(({ props }) => !isRetired(props));
    if (secrets.length === 0) return;
    const served = of(aws.function).map(({ props }) => text(databaseSettings(props)?.id));
    // keyplane/<environment>/<system>/<database>/<user>: its users stand beside the function's code.
    const databaseIn = (secret: string) => secret.split("/").slice(2, 4).join("/");
    const callable = new Set(
      of(aws.functionPermission)
        .filter(({ props }) => props.principal === "secretsmanager.amazonaws.com")
        .map(({ props }) => text(props.function)),
    );
    for (const each of secrets) {
      if (!served.includes(databaseIn(nameOf(each))))
        yield { urn: each.urn, message: "no function's settings name its database" };
    }
    const rotations = of(aws.secretRotation).map(({ urn, props }) => ({
      urn,
      secret: nameIn(text(props.secretId) ?? ""),
      by: nameIn(text(props.rotationLambdaArn) ?? ""),
    }));
    for (const each of secrets) {
      if (!rotations.some(({ secret }) => secret === nameOf(each)))
        yield { urn: each.urn, message: "nothing rotates it" };
    }
    for (const { urn, by } of rotations) {
      if (!callable.has(by)) yield { urn, message: "Secrets Manager may not call its function" };
    }
  },
};
