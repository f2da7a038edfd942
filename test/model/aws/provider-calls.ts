/** What the official provider asks AWS for, for a resource of a type. */
export interface Calls {
  create: string[];
  read: string[];
  update?: string[];
  delete?: string[];
  /** What it would ask to delete it, and nobody is given: it holds data, or what is there without it is weaker. */
  withheld?: string[];
}

/**
 * By the sources of hashicorp/terraform-provider-aws 6, which @pulumi/aws 7 wraps: internal/service/<service>/<type>.go,
 * and AWS' own pages where they name what a call needs beside itself. A type that the program declares must be here.
 */
export const providerCalls: Record<string, Calls> = {
  // kms/key.go waits for the key and its policy before it has a name.
  "aws:kms/key:Key": {
    create: ["kms:CreateKey", "kms:EnableKeyRotation"],
    read: ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"],
    update: ["kms:EnableKey", "kms:PutKeyPolicy", "kms:UpdateKeyDescription"],
    withheld: ["kms:ScheduleKeyDeletion", "kms:DisableKey"],
  },
  // Of the alias and of its key: https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html
  "aws:kms/alias:Alias": {
    create: ["kms:CreateAlias"],
    read: ["kms:ListAliases"],
    update: ["kms:UpdateAlias"],
    delete: ["kms:DeleteAlias"],
  },
  "aws:iam/openIdConnectProvider:OpenIdConnectProvider": {
    create: ["iam:CreateOpenIDConnectProvider"],
    read: ["iam:GetOpenIDConnectProvider"],
    update: ["iam:AddClientIDToOpenIDConnectProvider", "iam:RemoveClientIDFromOpenIDConnectProvider"],
    delete: ["iam:DeleteOpenIDConnectProvider"],
  },
  // iam/role.go reads the inline policies as well, and looks for instance profiles before it deletes.
  "aws:iam/role:Role": {
    create: ["iam:CreateRole"],
    read: ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"],
    update: ["iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription"],
    delete: ["iam:DeleteRole", "iam:ListInstanceProfilesForRole"],
  },
  "aws:iam/rolePolicy:RolePolicy": {
    create: ["iam:PutRolePolicy"],
    read: ["iam:GetRolePolicy"],
    delete: ["iam:DeleteRolePolicy"],
  },
  "aws:iam/group:Group": {
    create: ["iam:CreateGroup"],
    read: ["iam:GetGroup"],
    delete: ["iam:DeleteGroup"],
  },
  "aws:iam/groupPolicy:GroupPolicy": {
    create: ["iam:PutGroupPolicy"],
    read: ["iam:GetGroupPolicy"],
    delete: ["iam:DeleteGroupPolicy"],
  },
  "aws:iam/accountPasswordPolicy:AccountPasswordPolicy": {
    create: ["iam:UpdateAccountPasswordPolicy"],
    read: ["iam:GetAccountPasswordPolicy"],
    withheld: ["iam:DeleteAccountPasswordPolicy"],
  },
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-using-service-linked-roles.html
  "aws:accessanalyzer/analyzer:Analyzer": {
    create: ["access-analyzer:CreateAnalyzer", "iam:CreateServiceLinkedRole"],
    read: ["access-analyzer:GetAnalyzer"],
    withheld: ["access-analyzer:DeleteAnalyzer"],
  },
  // s3/bucket.go reads every setting of a bucket, also those that have resources of their own.
  "aws:s3/bucket:Bucket": {
    create: ["s3:CreateBucket", "s3:PutBucketObjectLockConfiguration"],
    read: [
      "s3:GetAccelerateConfiguration",
      "s3:GetBucketAcl",
      "s3:GetBucketCORS",
      "s3:GetBucketLocation",
      "s3:GetBucketLogging",
      "s3:GetBucketObjectLockConfiguration",
      "s3:GetBucketPolicy",
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
    withheld: ["s3:DeleteBucket"],
  },
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {
    create: ["s3:PutBucketPublicAccessBlock"],
    read: ["s3:GetBucketPublicAccessBlock"],
  },
  "aws:s3/bucketVersioning:BucketVersioning": {
    create: ["s3:PutBucketVersioning"],
    read: ["s3:GetBucketVersioning"],
  },
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
    create: ["s3:PutEncryptionConfiguration"],
    read: ["s3:GetEncryptionConfiguration"],
  },
  "aws:s3/bucketPolicy:BucketPolicy": {
    create: ["s3:PutBucketPolicy"],
    read: ["s3:GetBucketPolicy"],
    withheld: ["s3:DeleteBucketPolicy"],
  },
  "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": {
    create: ["s3:PutBucketObjectLockConfiguration"],
    read: ["s3:GetBucketObjectLockConfiguration"],
  },
  // cloudtrail/trail.go asks for insights of every trail.
  "aws:cloudtrail/trail:Trail": {
    create: [
      "cloudtrail:CreateTrail",
      "cloudtrail:PutEventSelectors",
      "cloudtrail:StartLogging",
      "iam:PassRole",
    ],
    read: [
      "cloudtrail:DescribeTrails",
      "cloudtrail:GetEventSelectors",
      "cloudtrail:GetInsightSelectors",
      "cloudtrail:GetTrailStatus",
      "cloudtrail:ListTags",
    ],
    update: ["cloudtrail:UpdateTrail"],
    withheld: ["cloudtrail:DeleteTrail", "cloudtrail:StopLogging"],
  },
  // With skipDestroy it deletes none.
  "aws:cloudwatch/logGroup:LogGroup": {
    create: ["logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:PutRetentionPolicy"],
    read: ["logs:DescribeLogGroups", "logs:ListTagsForResource"],
    withheld: ["logs:DeleteLogGroup", "logs:DisassociateKmsKey"],
  },
  "aws:cloudwatch/logMetricFilter:LogMetricFilter": {
    create: ["logs:PutMetricFilter"],
    read: ["logs:DescribeMetricFilters"],
    delete: ["logs:DeleteMetricFilter"],
  },
  "aws:cloudwatch/metricAlarm:MetricAlarm": {
    create: ["cloudwatch:PutMetricAlarm"],
    read: ["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"],
    delete: ["cloudwatch:DeleteAlarms"],
  },
  "aws:sns/topic:Topic": {
    create: ["sns:CreateTopic", "sns:SetTopicAttributes"],
    read: ["sns:GetTopicAttributes", "sns:ListTagsForResource"],
    withheld: ["sns:DeleteTopic"],
  },
  "aws:sns/topicPolicy:TopicPolicy": {
    create: ["sns:SetTopicAttributes"],
    read: ["sns:GetTopicAttributes"],
  },
  "aws:sns/topicSubscription:TopicSubscription": {
    create: ["sns:Subscribe"],
    read: ["sns:GetSubscriptionAttributes", "sns:ListSubscriptionsByTopic"],
    delete: ["sns:Unsubscribe"],
  },
  "aws:sqs/queue:Queue": {
    create: ["sqs:CreateQueue"],
    read: ["sqs:GetQueueAttributes", "sqs:ListQueueTags"],
    update: ["sqs:SetQueueAttributes"],
    withheld: ["sqs:DeleteQueue"],
  },
  // https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html and …/configuration-envvars-encryption.html
  "aws:lambda/function:Function": {
    create: [
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
      "iam:PassRole",
      "lambda:CreateFunction",
      "lambda:PutFunctionConcurrency",
    ],
    read: [
      "lambda:GetFunction",
      "lambda:GetFunctionCodeSigningConfig",
      "lambda:GetFunctionConcurrency",
      "lambda:GetFunctionConfiguration",
      "lambda:ListVersionsByFunction",
    ],
    update: [
      "lambda:DeleteFunctionConcurrency",
      "lambda:UpdateFunctionCode",
      "lambda:UpdateFunctionConfiguration",
    ],
    delete: ["lambda:DeleteFunction"],
  },
  "aws:lambda/permission:Permission": {
    create: ["lambda:AddPermission"],
    read: ["lambda:GetPolicy"],
    delete: ["lambda:RemovePermission"],
  },
  "aws:scheduler/scheduleGroup:ScheduleGroup": {
    create: ["scheduler:CreateScheduleGroup"],
    read: ["scheduler:GetScheduleGroup", "scheduler:ListTagsForResource"],
    delete: ["scheduler:DeleteScheduleGroup"],
  },
  "aws:scheduler/schedule:Schedule": {
    create: ["iam:PassRole", "scheduler:CreateSchedule"],
    read: ["scheduler:GetSchedule"],
    update: ["scheduler:UpdateSchedule"],
    delete: ["scheduler:DeleteSchedule"],
  },
  "aws:secretsmanager/secret:Secret": {
    create: ["secretsmanager:CreateSecret"],
    read: ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"],
    update: ["secretsmanager:UpdateSecret"],
    delete: ["secretsmanager:DeleteSecret"],
  },
  "aws:secretsmanager/secretPolicy:SecretPolicy": {
    create: ["secretsmanager:PutResourcePolicy"],
    read: ["secretsmanager:GetResourcePolicy"],
    delete: ["secretsmanager:DeleteResourcePolicy"],
  },
  // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
  "aws:secretsmanager/secretRotation:SecretRotation": {
    create: ["lambda:InvokeFunction", "secretsmanager:RotateSecret"],
    read: ["secretsmanager:DescribeSecret"],
    delete: ["secretsmanager:CancelRotateSecret"],
  },
};
