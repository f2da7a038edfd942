import type { AwsFunction, AwsKey, AwsSecret, KeyName, PolicyStatement } from "../../aws.ts";
import { allow, arn, document, type Place } from "./document.ts";
import { roleNames } from "./names.ts";

/** What shows a key as the provider reads it. */
const seeing = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"];

/** What the provider does to a key that it has made, beside seeing it. */
const making = [
  "kms:CreateAlias",
  "kms:DeleteAlias",
  "kms:EnableKey",
  "kms:EnableKeyRotation",
  "kms:PutKeyPolicy",
  "kms:UpdateAlias",
  "kms:UpdateKeyDescription",
];

/** What somebody needs who keeps keys and uses none. */
const administration = [
  "kms:CancelKeyDeletion",
  "kms:DescribeKey",
  "kms:DisableKey",
  "kms:EnableKey",
  "kms:EnableKeyRotation",
  "kms:GetKeyPolicy",
  "kms:GetKeyRotationStatus",
  "kms:ListKeyRotations",
  "kms:PutKeyPolicy",
  "kms:UpdateKeyDescription",
];

/**
 * The keys, by name. Nobody is locked out of one: the account always has every right, so that its IAM decides who helps,
 * and the administrators' role keeps it without being able to use it. Everything else names a role, or a service on
 * behalf of one thing of this account.
 */
export function deriveKeys(
  place: Place,
  {
    functions,
    secrets,
    trail,
    hasState,
    isAudited,
  }: {
    functions: AwsFunction[];
    secrets: AwsSecret[];
    trail: string;
    hasState: boolean;
    isAudited: boolean;
  },
): AwsKey[] {
  const key = (name: KeyName, purpose: string, ...uses: PolicyStatement[]): AwsKey => ({
    name,
    alias: `alias/keyplane-${place.environment}-${name}`,
    purpose,
    policy: document(
      allow("AccountAdministers", {
        Principal: { AWS: arn.root(place.account) },
        Action: "kms:*",
        Resource: "*",
      }),
      allow("AdministratorsKeepIt", {
        Principal: { AWS: arn.role(place, roleNames(place).administrator) },
        Action: administration,
        Resource: "*",
      }),
      allow("AdministratorsDeleteItSlowly", {
        Principal: { AWS: arn.role(place, roleNames(place).administrator) },
        Action: "kms:ScheduleKeyDeletion",
        Resource: "*",
        Condition: { NumericGreaterThanEquals: { "kms:ScheduleKeyDeletionPendingWindowInDays": "30" } },
      }),
      // Not by IAM: a new key has neither an id that somebody knows nor an alias, and rights on whatever has an alias
      // would be rights on every key, for who may give one.
      use(place, "DeploymentMakesIt", [roleNames(place).deploy], [...making, ...seeing].sort()),
      use(place, "DriftSeesIt", [roleNames(place).drift], seeing),
      ...uses,
    ),
  });
  return [
    key(
      "audit",
      "Encrypts the trail and the logs, so that who reads them reads no secret.",
      ...audit(place, trail, isAudited),
    ),
    key(
      "data",
      "Encrypts secrets, functions' settings, queues and alarms.",
      ...data(place, functions, secrets),
    ),
    key(
      "sops",
      "Encrypts the Git bootstrap beside the people's age keys.",
      use(place, "DeploymentReadsBootstrap", [roleNames(place).deploy], ["kms:Decrypt", "kms:Encrypt"]),
    ),
    ...(hasState ? [key("state", "Encrypts what Pulumi keeps secret in its state.", ...state(place))] : []),
    key(
      "unseal",
      "Unseals Vault: without it nobody opens Vault's storage.",
      use(place, "VaultUnseals", [roleNames(place).vault], ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"]),
    ),
  ];
}

function use(
  place: Place,
  sid: string,
  roles: string[],
  actions: string[],
  condition?: object,
): PolicyStatement {
  return allow(sid, {
    Principal: { AWS: roles.map((role) => arn.role(place, role)) },
    Action: actions,
    Resource: "*",
    ...(condition !== undefined && { Condition: condition as NonNullable<PolicyStatement["Condition"]> }),
  });
}

function audit(place: Place, trail: string, isAudited: boolean): PolicyStatement[] {
  const { account, region } = place;
  return [
    allow("TrailEncrypts", {
      Principal: { Service: "cloudtrail.amazonaws.com" },
      Action: ["kms:DescribeKey", "kms:GenerateDataKey*"],
      Resource: "*",
      Condition: { StringEquals: { "aws:SourceArn": arn.trail(place, trail), "aws:SourceAccount": account } },
    }),
    allow("LogsEncrypt", {
      Principal: { Service: `logs.${region}.amazonaws.com` },
      Action: ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
      Resource: "*",
      Condition: {
        ArnLike: { "kms:EncryptionContext:aws:logs:arn": `${arn.logGroup(place, "*")}` },
      },
    }),
    // AWS takes no policy that names a role which is not there.
    ...(isAudited ? [use(place, "AuditorsRead", [roleNames(place).auditor], ["kms:Decrypt"])] : []),
  ];
}

/**
 * Pulumi's secrets provider makes a stack's own key, has it encrypted once, and decrypted at the beginning of every run; it
 * says which state it is of: `awskms://alias/keyplane-<environment>-state?context_keyplane=<environment>.state`.
 * https://www.pulumi.com/docs/iac/concepts/secrets/#changing-the-secrets-provider-for-a-stack
 */
function state(place: Place): PolicyStatement[] {
  const ofTheState = {
    StringEquals: { "kms:EncryptionContext:keyplane": `${place.environment}.state` },
  };
  const { deploy, drift } = roleNames(place);
  return [
    use(place, "DeploymentKeepsState", [deploy], ["kms:Decrypt", "kms:Encrypt"], ofTheState),
    use(place, "DriftReadsState", [drift], ["kms:Decrypt"], ofTheState),
  ];
}

function data(place: Place, functions: AwsFunction[], secrets: AwsSecret[]): PolicyStatement[] {
  const { account, region } = place;
  const through = (...services: string[]) => ({
    StringEquals: { "kms:ViaService": services.map((service) => `${service}.${region}.amazonaws.com`) },
  });
  const rotating = functions.filter(({ calledBy }) => calledBy === "secrets-manager").map(({ role }) => role);
  const readers = [...new Set(secrets.flatMap((secret) => secret.readers))].sort();
  return [
    ...functions.map(({ name, role }, index) =>
      use(place, `FunctionReadsItsSettings${index + 1}`, [role], ["kms:Decrypt"], {
        StringEquals: { "kms:EncryptionContext:aws:lambda:FunctionArn": arn.function(place, name) },
      }),
    ),
    // Secrets Manager and Lambda encrypt by the rights of who makes a secret or a function, and Lambda shows settings so:
    // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
    // https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    use(
      place,
      "DeploymentMakesSecrets",
      [roleNames(place).deploy],
      ["kms:Decrypt", "kms:GenerateDataKey"],
      through("secretsmanager"),
    ),
    use(
      place,
      "DeploymentMakesFunctions",
      [roleNames(place).deploy],
      ["kms:CreateGrant", "kms:Encrypt"],
      through("lambda"),
    ),
    use(
      place,
      "SettingsAreSeen",
      [roleNames(place).deploy, roleNames(place).drift],
      ["kms:Decrypt"],
      through("lambda"),
    ),
    use(
      place,
      "FailuresArePutAside",
      [...functions.map(({ role }) => role), roleNames(place).scheduler],
      ["kms:Decrypt", "kms:GenerateDataKey"],
      through("sqs"),
    ),
    ...(rotating.length === 0
      ? []
      : [
          use(
            place,
            "RotationReadsAndWrites",
            rotating,
            ["kms:Decrypt", "kms:GenerateDataKey"],
            through("secretsmanager"),
          ),
        ]),
    ...(readers.length === 0
      ? []
      : [
          allow("ReadersDecrypt", {
            Principal: { AWS: readers },
            Action: ["kms:Decrypt"],
            Resource: "*",
            Condition: through("secretsmanager"),
          }),
        ]),
    allow("AlarmsAreSent", {
      Principal: { Service: "cloudwatch.amazonaws.com" },
      Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
      Resource: "*",
      Condition: { StringEquals: { "aws:SourceAccount": account } },
    }),
  ];
}
