import type { AwsModel, PolicyDocument } from "../../../model/aws.ts";
import { aws as types } from "../../../policies/aws/types.ts";
import type { Declared } from "../../../policies/resource.ts";

/** What a policy of its own opens or could open, beside the keys. */
export interface Thing {
  /** How a reader knows it. */
  what: string;
  service: string;
  /** What is declared. */
  policy?: PolicyDocument;
  /** The declared resource with another policy; none where AWS keeps a policy that the program does not declare. */
  type: string;
  /** What is asked of it, with what that is for. */
  requests: (readonly [action: string, resource: string])[];
}

/** What looks, what uses, and what would take over, of each kind. */
const asked = {
  bucket:
    "s3: GetBucketAcl GetBucketPolicy ListBucket PutBucketPolicy DeleteBucketPolicy PutBucketVersioning",
  state: "s3: ListBucket GetBucketPolicy PutBucketPolicy DeleteBucket",
  "state file": "s3: GetObject PutObject DeleteObject DeleteObjectVersion",
  object: "s3: GetObject PutObject DeleteObject DeleteObjectVersion",
  topic: "sns: GetTopicAttributes Publish Subscribe SetTopicAttributes AddPermission DeleteTopic",
  queue: "sqs: GetQueueAttributes SendMessage ReceiveMessage DeleteMessage PurgeQueue SetQueueAttributes",
  secret:
    "secretsmanager: DescribeSecret GetSecretValue PutSecretValue UpdateSecretVersionStage RotateSecret PutResourcePolicy DeleteSecret",
  function:
    "lambda: GetFunctionConfiguration InvokeFunction UpdateFunctionCode UpdateFunctionConfiguration AddPermission DeleteFunction",
};

function requests(kind: keyof typeof asked, resource: string): Thing["requests"] {
  const [service = "", ...names] = asked[kind].split(" ");
  return names.map((name) => [`${service}${name}`, resource]);
}

/** Everything declared that is not a key and has, or could have, a policy of its own. */
export function thingsOf({ account, region, stateBucket }: AwsModel, declared: readonly Declared[]): Thing[] {
  const of = (type: string) => declared.filter((each) => each.type === type).map(({ inputs }) => inputs);
  const document = (inputs: Declared["inputs"] | undefined) =>
    inputs === undefined ? {} : { policy: JSON.parse(String(inputs.policy)) as PolicyDocument };
  return [
    ...of(types.bucket).map(({ bucket }) => ({
      what: `bucket ${String(bucket)}`,
      service: "s3",
      type: types.bucketPolicy,
      ...document(of(types.bucketPolicy).find((each) => each.bucket === bucket)),
      requests: [
        ...requests("bucket", `arn:aws:s3:::${String(bucket)}`),
        ...requests("object", `arn:aws:s3:::${String(bucket)}/AWSLogs/${account}/CloudTrail/a.json.gz`),
      ],
    })),
    // Who made it gives it a policy; what the program's roles may there stands in their own.
    ...(stateBucket === undefined
      ? []
      : [
          ["", requests("state", `arn:aws:s3:::${stateBucket}`)] as const,
          ...["stacks/keyplane/production.json", "history/keyplane/production/a.json", "locks/a.json"].map(
            (path) =>
              [` ${path}`, requests("state file", `arn:aws:s3:::${stateBucket}/.pulumi/${path}`)] as const,
          ),
        ].map(([file, requests]) => ({
          what: `bucket ${stateBucket}${file}`,
          service: "s3",
          type: types.bucketPolicy,
          requests,
        }))),
    ...of(types.topic).map(({ name }) => ({
      what: `topic ${String(name)}`,
      service: "sns",
      type: types.topicPolicy,
      ...document(of(types.topicPolicy).find(({ arn }) => String(arn).endsWith(`:${String(name)}`))),
      requests: requests("topic", `arn:aws:sns:${region}:${account}:${String(name)}`),
    })),
    ...of(types.queue).map(({ name, policy }) => ({
      what: `queue ${String(name)}`,
      service: "sqs",
      type: types.queue,
      ...document(policy === undefined ? undefined : { policy }),
      requests: requests("queue", `arn:aws:sqs:${region}:${account}:${String(name)}`),
    })),
    ...of(types.secret).map(({ name }) => ({
      what: `secret ${String(name)}`,
      service: "secretsmanager",
      type: types.secretPolicy,
      ...document(of(types.secretPolicy).find(({ secretArn }) => String(secretArn).includes(String(name)))),
      requests: requests(
        "secret",
        `arn:aws:secretsmanager:${region}:${account}:secret:${String(name)}-a1b2c3`,
      ),
    })),
    ...of(types.function).map(({ name }) => {
      const resource = `arn:aws:lambda:${region}:${account}:function:${String(name)}`;
      const permission = of(types.functionPermission).find((each) => each.function === name);
      return {
        what: `function ${String(name)}`,
        service: "lambda",
        type: types.functionPermission,
        ...(permission !== undefined && { policy: permitting(permission, resource) }),
        requests: requests("function", resource),
      };
    }),
  ];
}

/** The statement that Lambda makes of a permission. https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html */
export function permitting(
  { statementId, principal, action, sourceAccount, sourceArn }: Declared["inputs"],
  resource: string,
): PolicyDocument {
  const who = String(principal);
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: String(statementId),
        Effect: "Allow",
        Principal: who === "*" ? "*" : who.endsWith(".amazonaws.com") ? { Service: who } : { AWS: who },
        Action: String(action),
        Resource: resource,
        ...((sourceAccount !== undefined || sourceArn !== undefined) && {
          Condition: {
            ...(sourceAccount !== undefined && {
              StringEquals: { "aws:SourceAccount": String(sourceAccount) },
            }),
            ...(sourceArn !== undefined && { ArnLike: { "aws:SourceArn": String(sourceArn) } }),
          },
        }),
      },
    ],
  };
}
