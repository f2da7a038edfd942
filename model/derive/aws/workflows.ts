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
    keys: `arn:aws:kms:${region}:${account}:key/*`,
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

/** Seeing the configuration of what the platform makes, and no value. */
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
    allow("SeeKeys", {
      Action: ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"],
      Resource: own.keys,
      Condition: {
        "ForAnyValue:StringLike": { "kms:ResourceAliases": `alias/keyplane-${place.environment}-*` },
      },
    }),
    allow("SeeFunctions", {
      Action: [
        "lambda:GetFunction",
        "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetFunctionConcurrency",
        "lambda:GetPolicy",
        "lambda:ListVersionsByFunction",
      ],
      Resource: own.functions,
    }),
    allow("SeeMessages", {
      Action: ["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sqs:GetQueueAttributes"],
      Resource: [own.queues, own.topics],
    }),
    allow("SeeTrail", {
      Action: ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus"],
      Resource: own.trails,
    }),
    allow("SeeBuckets", {
      Action: [
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration",
        "s3:ListBucket",
      ],
      Resource: own.buckets,
    }),
    allow("SeeSchedules", {
      Action: ["scheduler:GetSchedule", "scheduler:GetScheduleGroup", "scheduler:ListTagsForResource"],
      Resource: [own.scheduleGroup, own.schedules],
    }),
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

/** What the drift workflow may: see. */
export function driftRights(place: Place): PolicyDocument {
  return document(...seeing(place));
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
 * What the deploy workflow may: make and change what bears the environment's names; it deletes nothing that holds data,
 * and reads no value. Who writes roles can take any right: the reviewers of its GitHub environment decide.
 */
export function deployRights(place: Place, rotators: string[]): PolicyDocument {
  const own = ours(place);
  const { scheduler, trailLogs } = roleNames(place);
  return document(
    ...seeing(place),
    allow("MakeIdentities", {
      Action: [
        "iam:CreateGroup",
        "iam:CreateOpenIDConnectProvider",
        "iam:CreateRole",
        "iam:DeleteGroup",
        "iam:DeleteGroupPolicy",
        "iam:DeleteRole",
        "iam:DeleteRolePolicy",
        "iam:PutGroupPolicy",
        "iam:PutRolePolicy",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
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
    allow("MakeKeys", {
      Action: ["iam:UpdateAccountPasswordPolicy", "kms:CreateKey", "kms:TagResource"],
      Resource: "*",
    }),
    allow("ChangeKeys", {
      Action: ["kms:EnableKeyRotation", "kms:PutKeyPolicy", "kms:UpdateKeyDescription"],
      Resource: own.keys,
      Condition: {
        "ForAnyValue:StringLike": { "kms:ResourceAliases": `alias/keyplane-${place.environment}-*` },
      },
    }),
    allow("NameKeys", { Action: ["kms:CreateAlias", "kms:UpdateAlias"], Resource: [own.aliases, own.keys] }),
    allow("MakeFunctions", {
      Action: [
        "lambda:AddPermission",
        "lambda:CreateFunction",
        "lambda:DeleteFunction",
        "lambda:PutFunctionConcurrency",
        "lambda:RemovePermission",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
      ],
      Resource: own.functions,
    }),
    allow("MakeMessages", {
      Action: [
        "sns:CreateTopic",
        "sns:SetTopicAttributes",
        "sns:Subscribe",
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
    allow("MakeSecretsNotValues", {
      Action: [
        "secretsmanager:CancelRotateSecret",
        "secretsmanager:CreateSecret",
        "secretsmanager:PutResourcePolicy",
        "secretsmanager:RotateSecret",
        "secretsmanager:UpdateSecret",
      ],
      Resource: own.secrets,
    }),
    ...(rotators.length === 0 ? [] : [callRotators(rotators)]),
    allow("MakeAnalyzer", { Action: "access-analyzer:CreateAnalyzer", Resource: own.analyzers }),
  );
}
