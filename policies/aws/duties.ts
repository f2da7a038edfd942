/** Where somebody's duty is: what follows the account in an ARN, and who does it. */
type On = (rest: string, who: { environment: string; role: string }) => boolean;

/** All that somebody has to do: action in lower case → where; everywhere that the other rules leave where it says true. */
export type Duty = ReadonlyMap<string, true | On>;

function work(service: string, names: string, on: true | On = true): [string, true | On][] {
  return names.split(" ").map((name) => [`${service}:${name.toLowerCase()}`, on]);
}

const duty = (...works: readonly [string, true | On][][]): Duty => new Map(works.flat());

/** What bears the environment's names: a role, a group, a function. */
const ours =
  (...kinds: string[]): On =>
  (rest, { environment }) =>
    kinds.some((kind) => rest.startsWith(`${kind}keyplane-${environment}-`));
const oneRole =
  (...purposes: string[]): On =>
  (rest, { environment }) =>
    purposes.some((purpose) => rest === `role/keyplane-${environment}-${purpose}`);
const anySecret: On = (rest, { environment }) => rest.startsWith(`secret:keyplane/${environment}/`);
/** Secrets Manager ends its name with six characters of its own. */
const oneSecret: On = (rest, who) => anySecret(rest, who) && !/[*?]/.test(rest.replace(/-\?{6}$/, ""));
const ownLog: On = (rest, { role }) => rest === `log-group:/aws/lambda/${role}:*`;
const trailsLog: On = (rest, { environment }) =>
  rest.startsWith(`log-group:/keyplane/${environment}/trail:log-stream:`);
const logs: On = (rest, who) =>
  rest.startsWith(`log-group:/keyplane/${who.environment}/`) || ours("log-group:/aws/lambda/")(rest, who);
/** Of S3, where an ARN has no account: a bucket and nothing in it; Pulumi's state and its lock; the trail's files. */
const bucket: On = (rest) => rest !== "" && !rest.includes("/");
const state: On = (rest) => /^[^/*?]+\/\.pulumi\/\*$/.test(rest);
const stateLock: On = (rest) => /^[^/*?]+\/\.pulumi\/locks\/\*$/.test(rest);
const trailFiles: On = (rest, { environment }) => rest.startsWith(`keyplane-${environment}-trail-`);
const identities: On = (rest, who) =>
  rest === "oidc-provider/token.actions.githubusercontent.com" || ours("role/", "group/")(rest, who);
const oneself: On = (rest) => rest === `user/\${aws:username}` || rest === `mfa/\${aws:username}`;

/** To see how things are set up. Of a function AWS shows its code by that; of a secret nothing here shows the value. */
const look = [
  ...work("access-analyzer", "GetAnalyzer ListAnalyzers"),
  ...work(
    "cloudtrail",
    "DescribeTrails GetEventSelectors GetInsightSelectors GetTrail GetTrailStatus ListTags",
  ),
  ...work("cloudwatch", "DescribeAlarms ListTagsForResource"),
  ...work("iam", "GetAccountPasswordPolicy GetGroup GetGroupPolicy GetOpenIDConnectProvider GetRole"),
  ...work("iam", "GetRolePolicy ListAttachedRolePolicies ListOpenIDConnectProviders ListRolePolicies"),
  ...work("kms", "ListAliases"),
  ...work("lambda", "GetFunction GetFunctionCodeSigningConfig GetFunctionConcurrency"),
  ...work("lambda", "GetFunctionConfiguration GetPolicy ListVersionsByFunction"),
  ...work("logs", "DescribeLogGroups DescribeMetricFilters ListTagsForResource"),
  ...work("s3", "GetAccelerateConfiguration GetBucketAcl GetBucketCORS GetBucketLocation", bucket),
  ...work("s3", "GetBucketLogging GetBucketObjectLockConfiguration GetBucketPolicy", bucket),
  ...work("s3", "GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging", bucket),
  ...work("s3", "GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration", bucket),
  ...work(
    "s3",
    "GetLifecycleConfiguration GetReplicationConfiguration ListBucket ListTagsForResource",
    bucket,
  ),
  ...work("scheduler", "GetSchedule GetScheduleGroup ListTagsForResource"),
  ...work("secretsmanager", "DescribeSecret GetResourcePolicy"),
  ...work("sns", "GetSubscriptionAttributes GetTopicAttributes ListSubscriptionsByTopic ListTagsForResource"),
  ...work("sqs", "GetQueueAttributes ListQueueTags"),
  ...work("s3", "GetObject", state),
];

/** To make what the model derives. Nothing in it reads a value, and of what holds data it takes secrets away alone, slowly. */
const build = [
  ...look,
  ...work("s3", "PutObject", state),
  ...work("s3", "DeleteObject", stateLock),
  ...work("iam", "AddClientIDToOpenIDConnectProvider CreateGroup CreateOpenIDConnectProvider", identities),
  ...work("iam", "CreateRole DeleteGroup DeleteGroupPolicy DeleteOpenIDConnectProvider", identities),
  ...work("iam", "DeleteRole DeleteRolePolicy ListInstanceProfilesForRole PutGroupPolicy", identities),
  ...work("iam", "PutRolePolicy RemoveClientIDFromOpenIDConnectProvider", identities),
  ...work("iam", "UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription", identities),
  ...work("iam", "PassRole", ours("role/")),
  ...work("iam", "UpdateAccountPasswordPolicy"),
  ...work("iam", "CreateServiceLinkedRole", (rest) =>
    rest.startsWith("role/aws-service-role/access-analyzer.amazonaws.com/"),
  ),
  ...work("kms", "CreateAlias CreateKey DeleteAlias UpdateAlias"),
  ...work("ec2", "DescribeSecurityGroups DescribeSubnets DescribeVpcs"),
  ...work("lambda", "AddPermission CreateFunction DeleteFunction DeleteFunctionConcurrency"),
  ...work("lambda", "InvokeFunction PutFunctionConcurrency RemovePermission", ours("function:")),
  ...work("lambda", "UpdateFunctionCode UpdateFunctionConfiguration"),
  ...work("sns", "CreateTopic SetTopicAttributes Subscribe Unsubscribe"),
  ...work("sqs", "CreateQueue SetQueueAttributes"),
  ...work("cloudtrail", "CreateTrail PutEventSelectors StartLogging UpdateTrail"),
  ...work("logs", "AssociateKmsKey CreateLogGroup DeleteMetricFilter PutMetricFilter PutRetentionPolicy"),
  ...work("cloudwatch", "DeleteAlarms PutMetricAlarm"),
  ...work("s3", "CreateBucket PutBucketObjectLockConfiguration PutBucketPolicy", bucket),
  ...work("s3", "PutBucketPublicAccessBlock PutBucketVersioning PutEncryptionConfiguration", bucket),
  ...work(
    "scheduler",
    "CreateSchedule CreateScheduleGroup DeleteSchedule DeleteScheduleGroup UpdateSchedule",
  ),
  ...work("secretsmanager", "CancelRotateSecret CreateSecret DeleteResourcePolicy PutResourcePolicy"),
  // A retired one's; that it can be brought back for 30 days, aws-rights-of-its-duty sees to.
  ...work("secretsmanager", "DeleteSecret RotateSecret UpdateSecret", anySecret),
  ...work("access-analyzer", "CreateAnalyzer"),
];

const readLogs = work("logs", "FilterLogEvents GetLogEvents StartQuery", logs);

/** To run in the environment's network, write the own log and put aside what fails. */
const run = [
  ...work("logs", "CreateLogStream PutLogEvents", ownLog),
  ...work("sqs", "SendMessage", ours("")),
  ...work("ec2", "AssignPrivateIpAddresses CreateNetworkInterface DeleteNetworkInterface"),
  ...work("ec2", "DescribeNetworkInterfaces DescribeSubnets UnassignPrivateIpAddresses"),
];

const rotateSecrets = [
  ...work("secretsmanager", "DescribeSecret RotateSecret", oneSecret),
  ...work("lambda", "InvokeFunction", ours("function:")),
];

/** By purpose, which is how a role's or a group's name ends after keyplane-<environment>-. */
const duties: Readonly<Record<string, Duty>> = {
  deploy: duty(build),
  drift: duty(look),
  rotate: duty(rotateSecrets),
  administrator: duty(
    rotateSecrets,
    readLogs,
    work("secretsmanager", "CancelRotateSecret", oneSecret),
    work("lambda", "DeleteFunctionConcurrency GetFunctionConfiguration PutFunctionConcurrency"),
    work("scheduler", "GetSchedule UpdateSchedule"),
    work("iam", "PassRole", oneRole("scheduler")),
  ),
  auditor: duty(
    readLogs,
    work("s3", "GetBucketLocation GetObject ListBucket", trailFiles),
    work("access-analyzer", "ListFindings"),
    work("cloudtrail", "DescribeTrails GetEventSelectors GetTrailStatus LookupEvents"),
    work("cloudwatch", "DescribeAlarms"),
    work("iam", "GetAccountPasswordPolicy GetAccountSummary ListRoles"),
    work("kms", "ListAliases ListKeys"),
    work("lambda", "ListFunctions"),
    work("scheduler", "ListSchedules"),
    work("secretsmanager", "ListSecrets"),
  ),
  vault: duty(work("iam", "GetRole", ours("role/"))),
  scheduler: duty(work("lambda", "InvokeFunction", ours("function:")), work("sqs", "SendMessage", ours(""))),
  "trail-logs": duty(work("logs", "CreateLogStream PutLogEvents", trailsLog)),
  "rotate-due": duty(run),
  "rotate-postgres": duty(
    run,
    work(
      "secretsmanager",
      "DescribeSecret GetSecretValue PutSecretValue UpdateSecretVersionStage",
      oneSecret,
    ),
  ),
  people: duty(
    work("iam", "ChangePassword CreateVirtualMFADevice DeleteVirtualMFADevice EnableMFADevice", oneself),
    work("iam", "GetMFADevice GetUser ListMFADevices ResyncMFADevice", oneself),
    work("iam", "ListVirtualMFADevices"),
    work("sts", "AssumeRole", oneRole("administrator", "auditor")),
  ),
};

/** What the holder of a name is there for: `rotate-postgres` of each database's function; undefined where it is not ours. */
export function purposeOf(name: string, environment: string): string | undefined {
  const beginning = `keyplane-${environment}-`;
  if (!name.startsWith(beginning)) return undefined;
  const purpose = name.slice(beginning.length);
  return purpose.startsWith("rotate-postgres-") ? "rotate-postgres" : purpose;
}

/** The duty of a role or a group, by its name; undefined where the platform has none of it. */
export function dutyOf(name: string, environment: string): Duty | undefined {
  const purpose = purposeOf(name, environment);
  return purpose !== undefined && Object.hasOwn(duties, purpose) ? duties[purpose] : undefined;
}

/** What a key's own policy may let somebody do, by their purpose; the account as a whole has every right anyway. */
const ofKeys: Readonly<Record<string, ReadonlySet<string>>> = Object.fromEntries(
  Object.entries({
    administrator:
      "CancelKeyDeletion DescribeKey DisableKey EnableKey EnableKeyRotation GetKeyPolicy GetKeyRotationStatus ListKeyRotations PutKeyPolicy ScheduleKeyDeletion UpdateKeyDescription",
    deploy:
      "CreateAlias DeleteAlias DescribeKey EnableKey EnableKeyRotation GetKeyPolicy GetKeyRotationStatus ListResourceTags PutKeyPolicy UpdateAlias UpdateKeyDescription CreateGrant Decrypt Encrypt GenerateDataKey",
    drift: "DescribeKey GetKeyPolicy GetKeyRotationStatus ListResourceTags Decrypt",
    auditor: "Decrypt",
    vault: "Decrypt DescribeKey Encrypt",
    scheduler: "Decrypt GenerateDataKey",
    "rotate-due": "Decrypt GenerateDataKey",
    "rotate-postgres": "Decrypt GenerateDataKey",
    /** Whoever the catalogue lets read a secret. */
    reader: "Decrypt",
  }).map(([purpose, names]) => [
    purpose,
    new Set(names.split(" ").map((name) => `kms:${name.toLowerCase()}`)),
  ]),
);

const nothing: ReadonlySet<string> = new Set();

/** What a role may do by a key's own policy. */
export function keyDutyOf(role: string, environment: string): ReadonlySet<string> {
  if (!role.startsWith("keyplane-")) return ofKeys.reader ?? nothing;
  const purpose = purposeOf(role, environment);
  return (purpose !== undefined && Object.hasOwn(ofKeys, purpose) && ofKeys[purpose]) || nothing;
}

/** What services do by policies of resources, by the resource's service. Lambda, Secrets Manager and SQS ask as a role. */
const ofServices: Readonly<Record<string, ReadonlySet<string>>> = {
  "s3 cloudtrail": new Set(["s3:getbucketacl", "s3:putobject"]),
  "sns cloudwatch": new Set(["sns:publish"]),
  "kms cloudtrail": new Set(["kms:describekey", "kms:generatedatakey*"]),
  "kms cloudwatch": new Set(["kms:decrypt", "kms:generatedatakey*"]),
  "kms logs": new Set([
    "kms:decrypt",
    "kms:describekey",
    "kms:encrypt",
    "kms:generatedatakey*",
    "kms:reencrypt*",
  ]),
};

/** What a service of AWS (`logs.eu-west-1.amazonaws.com`) may do by the policy of a resource of another (`kms`). */
export function serviceDutyOf(service: string, of: string): ReadonlySet<string> {
  const name = /^([a-z]+)(?:\.[a-z0-9-]+)?\.amazonaws\.com$/.exec(service)?.[1] ?? "";
  const found = `${of} ${name}`;
  return (Object.hasOwn(ofServices, found) && ofServices[found]) || nothing;
}
