import type { PolicyDocument, PolicyStatement } from "../../aws.ts";
import { allow, arn, document, type Place } from "./document.ts";
import { roleNames, scheduleGroup } from "./names.ts";
import { callRotators } from "./secrets.ts";

/** Everything of an environment, by the names that the platform gives. */
function ours(place: Place) {
  const { account, region, environment } = place;
  const prefix = `keyplane-${environment}`;
  return {
    roles: arn.role(place, `${prefix}-*`),
    groups: `arn:aws:iam::${account}:group/${prefix}-*`,
    provider: `arn:aws:iam::${account}:oidc-provider/token.actions.githubusercontent.com`,
    aliases: `arn:aws:kms:${region}:${account}:alias/${prefix}-*`,
    functions: arn.function(place, `${prefix}-*`),
    queues: arn.queue(place, `${prefix}-*`),
    topics: arn.topic(place, `${prefix}-*`),
    trails: arn.trail(place, `${prefix}-*`),
    logs: [arn.logGroup(place, `/aws/lambda/${prefix}-*`), arn.logGroup(place, `/keyplane/${environment}/*`)],
    alarms: `arn:aws:cloudwatch:${region}:${account}:alarm:${prefix}-*`,
    buckets: `arn:aws:s3:::${prefix}-*`,
    schedules: arn.schedule(place, scheduleGroup(place), `${prefix}-*`),
    scheduleGroup: arn.scheduleGroup(place, scheduleGroup(place)),
    secrets: `arn:aws:secretsmanager:${region}:${account}:secret:keyplane/${environment}/*`,
    analyzers: `arn:aws:access-analyzer:${region}:${account}:analyzer/${prefix}-*`,
  };
}

/** Seeing the configuration of what the platform makes, and no value; of keys, their own policies say it. */
function seeing(place: Place): PolicyStatement[] {
  const own = ours(place);
  return [
    allow("SeeIdentities", {
      Action: [
        "iam:GetGroup",
        "iam:GetGroupPolicy",
        "iam:GetOpenIDConnectProvider",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListRolePolicies",
      ],
      Resource: [own.groups, own.provider, own.roles],
    }),
    allow("SeeFunctions", {
      Action: [
        "lambda:GetFunction",
        "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionConfiguration",
        "lambda:GetPolicy",
        "lambda:ListVersionsByFunction",
      ],
      Resource: own.functions,
    }),
    allow("SeeMessages", {
      Action: [
        "sns:GetSubscriptionAttributes",
        "sns:GetTopicAttributes",
        "sns:ListSubscriptionsByTopic",
        "sns:ListTagsForResource",
        "sqs:GetQueueAttributes",
        "sqs:ListQueueTags",
      ],
      Resource: [own.queues, own.topics],
    }),
    allow("SeeTrail", {
      Action: [
        "cloudtrail:GetEventSelectors",
        "cloudtrail:GetInsightSelectors",
        "cloudtrail:GetTrail",
        "cloudtrail:GetTrailStatus",
        "cloudtrail:ListTags",
      ],
      Resource: own.trails,
    }),
    allow("SeeBuckets", {
      Action: [
        "s3:GetAccelerateConfiguration",
        "s3:GetBucketAcl",
        "s3:GetBucketCORS",
        "s3:GetBucketLocation",
        "s3:GetBucketLogging",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketRequestPayment",
        "s3:GetBucketTagging",
        "s3:GetBucketVersioning",
        "s3:GetBucketWebsite",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
        "s3:GetReplicationConfiguration",
        "s3:ListBucket",
        "s3:ListTagsForResource",
      ],
      Resource: own.buckets,
    }),
    allow("SeeSchedules", {
      Action: ["scheduler:GetSchedule", "scheduler:GetScheduleGroup", "scheduler:ListTagsForResource"],
      Resource: [own.scheduleGroup, own.schedules],
    }),
    allow("SeeLogs", { Action: "logs:ListTagsForResource", Resource: own.logs }),
    allow("SeeAlarms", { Action: "cloudwatch:ListTagsForResource", Resource: own.alarms }),
    allow("SeeAnalyzer", { Action: "access-analyzer:GetAnalyzer", Resource: own.analyzers }),
    allow("SeeSecretsNotValues", {
      Action: ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"],
      Resource: own.secrets,
    }),
    // These know no narrower resource.
    allow("SeeTheAccount", {
      Action: [
        "access-analyzer:ListAnalyzers",
        "cloudtrail:DescribeTrails",
        "cloudwatch:DescribeAlarms",
        "iam:GetAccountPasswordPolicy",
        "iam:ListOpenIDConnectProviders",
        "kms:ListAliases",
        "logs:DescribeLogGroups",
        "logs:DescribeMetricFilters",
      ],
      Resource: "*",
    }),
  ];
}

/**
 * Pulumi's state, which is read as a whole: what there is, and each file. https://www.pulumi.com/docs/iac/concepts/state-and-backends
 * `refresh --preview-only` takes no lock (pkg/backend/diy/backend.go), so who only looks writes nothing.
 */
function readState(bucket: string): PolicyStatement[] {
  return [
    allow("FindState", { Action: "s3:ListBucket", Resource: `arn:aws:s3:::${bucket}` }),
    allow("ReadState", { Action: "s3:GetObject", Resource: `arn:aws:s3:::${bucket}/.pulumi/*` }),
  ];
}

/** An update writes the state, what it was before, and its history; of all that it deletes its lock alone. */
function writeState(bucket: string): PolicyStatement[] {
  return [
    ...readState(bucket),
    allow("WriteState", { Action: "s3:PutObject", Resource: `arn:aws:s3:::${bucket}/.pulumi/*` }),
    allow("UnlockState", { Action: "s3:DeleteObject", Resource: `arn:aws:s3:::${bucket}/.pulumi/locks/*` }),
  ];
}

/** What the drift workflow may: see. */
export function driftRights(place: Place, stateBucket?: string): PolicyDocument {
  return document(...seeing(place), ...(stateBucket === undefined ? [] : readState(stateBucket)));
}

/** What the rotate workflow may: let Secrets Manager rotate, and see whether it did. */
export function rotateRights(place: Place, secrets: string[], rotators: string[]): PolicyDocument {
  return document(
    allow("LetSecretsRotate", {
      Action: ["secretsmanager:DescribeSecret", "secretsmanager:RotateSecret"],
      Resource: secrets.map((name) => arn.secret(place, name)),
    }),
    callRotators(rotators),
  );
}

/**
 * What the deploy workflow may: make and change what bears the environment's names; of what holds data it deletes a secret
 * alone, which can be restored for 30 days, and no log; and it reads no value. It could write one: AWS lets who makes or changes a secret give it a value, and has no condition that
 * tells the two apart; a version that no function made is in the trail. Who writes roles can take any right: the reviewers
 * of its GitHub environment decide.
 */
export function deployRights(place: Place, rotators: string[], stateBucket?: string): PolicyDocument {
  const own = ours(place);
  const { scheduler, trailLogs } = roleNames(place);
  return document(
    ...seeing(place),
    ...(stateBucket === undefined ? [] : writeState(stateBucket)),
    allow("MakeIdentities", {
      Action: [
        "iam:AddClientIDToOpenIDConnectProvider",
        "iam:CreateGroup",
        "iam:CreateOpenIDConnectProvider",
        "iam:CreateRole",
        "iam:DeleteGroup",
        "iam:DeleteGroupPolicy",
        "iam:DeleteOpenIDConnectProvider",
        "iam:DeleteRole",
        "iam:DeleteRolePolicy",
        "iam:ListInstanceProfilesForRole",
        "iam:PutGroupPolicy",
        "iam:PutRolePolicy",
        "iam:RemoveClientIDFromOpenIDConnectProvider",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
        "iam:UpdateRoleDescription",
      ],
      Resource: [own.groups, own.provider, own.roles],
    }),
    allow("GiveRolesToFunctionsSchedulesAndTrail", {
      Action: "iam:PassRole",
      Resource: [own.roles, arn.role(place, scheduler), arn.role(place, trailLogs)],
      Condition: {
        StringEquals: {
          "iam:PassedToService": [
            "cloudtrail.amazonaws.com",
            "lambda.amazonaws.com",
            "scheduler.amazonaws.com",
          ],
        },
      },
    }),
    // Everything else that a key lets it do stands in the key's own policy.
    allow("MakeKeys", { Action: ["iam:UpdateAccountPasswordPolicy", "kms:CreateKey"], Resource: "*" }),
    allow("NameKeys", {
      Action: ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"],
      Resource: own.aliases,
    }),
    allow("MakeFunctions", {
      Action: [
        "lambda:AddPermission",
        "lambda:CreateFunction",
        "lambda:DeleteFunction",
        "lambda:DeleteFunctionConcurrency",
        "lambda:PutFunctionConcurrency",
        "lambda:RemovePermission",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
      ],
      Resource: own.functions,
    }),
    // Lambda looks at a network by the rights of who puts a function into it; these know nothing narrower.
    allow("SeeNetworks", {
      Action: ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"],
      Resource: "*",
    }),
    allow("MakeMessages", {
      Action: [
        "sns:CreateTopic",
        "sns:SetTopicAttributes",
        "sns:Subscribe",
        "sns:Unsubscribe",
        "sqs:CreateQueue",
        "sqs:SetQueueAttributes",
      ],
      Resource: [own.queues, own.topics],
    }),
    allow("MakeTrail", {
      Action: [
        "cloudtrail:CreateTrail",
        "cloudtrail:PutEventSelectors",
        "cloudtrail:StartLogging",
        "cloudtrail:UpdateTrail",
      ],
      Resource: own.trails,
    }),
    allow("MakeLogs", {
      Action: [
        "logs:AssociateKmsKey",
        "logs:CreateLogGroup",
        "logs:DeleteMetricFilter",
        "logs:PutMetricFilter",
        "logs:PutRetentionPolicy",
      ],
      Resource: own.logs,
    }),
    allow("MakeAlarms", {
      Action: ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"],
      Resource: own.alarms,
    }),
    allow("MakeBuckets", {
      Action: [
        "s3:CreateBucket",
        "s3:PutBucketObjectLockConfiguration",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
      ],
      Resource: own.buckets,
    }),
    allow("MakeSchedules", {
      Action: [
        "scheduler:CreateSchedule",
        "scheduler:CreateScheduleGroup",
        "scheduler:DeleteSchedule",
        "scheduler:DeleteScheduleGroup",
        "scheduler:UpdateSchedule",
      ],
      Resource: [own.scheduleGroup, own.schedules],
    }),
    allow("MakeSecrets", {
      Action: [
        "secretsmanager:CancelRotateSecret",
        "secretsmanager:CreateSecret",
        "secretsmanager:DeleteResourcePolicy",
        "secretsmanager:PutResourcePolicy",
        "secretsmanager:RotateSecret",
        "secretsmanager:UpdateSecret",
      ],
      Resource: own.secrets,
    }),
    // A retired entry's alone, as everything else is protected; whoever erases at once says no window.
    allow("DeleteSecretsSlowly", {
      Action: "secretsmanager:DeleteSecret",
      Resource: own.secrets,
      Condition: { NumericGreaterThanEquals: { "secretsmanager:RecoveryWindowInDays": "30" } },
    }),
    ...(rotators.length === 0 ? [] : [callRotators(rotators)]),
    allow("MakeAnalyzer", { Action: "access-analyzer:CreateAnalyzer", Resource: own.analyzers }),
    allow("LetTheAnalyzerLook", {
      Action: "iam:CreateServiceLinkedRole",
      Resource: arn.role(
        place,
        "aws-service-role/access-analyzer.amazonaws.com/AWSServiceRoleForAccessAnalyzer",
      ),
      Condition: { StringEquals: { "iam:AWSServiceName": "access-analyzer.amazonaws.com" } },
    }),
  );
}
