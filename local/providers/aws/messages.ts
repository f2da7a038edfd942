import {
  CreateTopicCommand,
  DeleteTopicCommand,
  GetTopicAttributesCommand,
  ListSubscriptionsByTopicCommand,
  SetTopicAttributesCommand,
  SubscribeCommand,
  UnsubscribeCommand,
} from "@aws-sdk/client-sns";
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SetQueueAttributesCommand,
} from "@aws-sdk/client-sqs";
import type { Topic, TopicArgs } from "@pulumi/aws/sns/topic.js";
import type { TopicPolicy, TopicPolicyArgs } from "@pulumi/aws/sns/topicPolicy.js";
import type { TopicSubscription, TopicSubscriptionArgs } from "@pulumi/aws/sns/topicSubscription.js";
import type { Queue, QueueArgs } from "@pulumi/aws/sqs/queue.js";
import { number, type Properties, text } from "../fields.ts";
import { said } from "../kind.ts";
import type { Aws } from "./clients.ts";
import { count, found, isThere, kind, optional, policy } from "./kind.ts";

async function setTopic({ sns }: Aws, TopicArn: string, inputs: Properties): Promise<void> {
  await sns.send(
    new SetTopicAttributesCommand({
      TopicArn,
      AttributeName: "KmsMasterKeyId",
      AttributeValue: optional(inputs, "kmsMasterKeyId") ?? "",
    }),
  );
}

export const topic = kind<Topic, TopicArgs>({
  type: "aws:sns/topic:Topic",
  fields: { name: text({ required: true, replace: true, local: true }), kmsMasterKeyId: text() },
  computed: ["arn", "owner"],
  async create(aws, inputs) {
    // Making one that is there answers its ARN.
    const { TopicArn } = await aws.sns.send(new CreateTopicCommand({ Name: said(inputs, "name") }));
    await setTopic(aws, TopicArn ?? "", inputs);
    return TopicArn ?? "";
  },
  async read({ sns, account }, id) {
    const live = await found(() => sns.send(new GetTopicAttributesCommand({ TopicArn: id })));
    return (
      live && {
        name: id.slice(id.lastIndexOf(":") + 1),
        kmsMasterKeyId: live.Attributes?.KmsMasterKeyId ?? "",
        arn: id,
        owner: account,
      }
    );
  },
  update: setTopic,
  async delete({ sns }, id) {
    await found(() => sns.send(new DeleteTopicCommand({ TopicArn: id })));
  },
});

async function setTopicPolicy({ sns }: Aws, TopicArn: string, inputs: Properties): Promise<void> {
  const AttributeValue = said(inputs, "policy");
  await sns.send(new SetTopicAttributesCommand({ TopicArn, AttributeName: "Policy", AttributeValue }));
}

export const topicPolicy = kind<TopicPolicy, TopicPolicyArgs>({
  type: "aws:sns/topicPolicy:TopicPolicy",
  fields: {
    arn: text({ required: true, replace: true, local: true }),
    policy: policy({ required: true }),
  },
  async create(aws, inputs) {
    const id = said(inputs, "arn");
    await setTopicPolicy(aws, id, inputs);
    return id;
  },
  async read({ sns }, id) {
    const live = await found(() => sns.send(new GetTopicAttributesCommand({ TopicArn: id })));
    return live && { arn: id, policy: live.Attributes?.Policy ?? "" };
  },
  update: setTopicPolicy,
  // It goes with its topic; AWS has no deletion.
  async delete() {},
});

export const subscription = kind<TopicSubscription, TopicSubscriptionArgs>({
  type: "aws:sns/topicSubscription:TopicSubscription",
  fields: {
    topic: text({ required: true, replace: true, local: true }),
    protocol: text({ required: true, replace: true }),
    endpoint: text({ required: true, replace: true }),
  },
  computed: ["arn"],
  async create({ sns }, inputs) {
    const [TopicArn, Protocol] = [said(inputs, "topic"), said(inputs, "protocol")];
    const Endpoint = said(inputs, "endpoint");
    await sns.send(new SubscribeCommand({ TopicArn, Protocol, Endpoint, ReturnSubscriptionArn: true }));
    // Its ARN comes with the answer to the mail: until then topic and address say which it is.
    return `${TopicArn}|${Protocol}|${Endpoint}`;
  },
  async read({ sns }, id) {
    const [TopicArn = "", protocol = "", endpoint = ""] = id.split("|");
    const live = await found(() => sns.send(new ListSubscriptionsByTopicCommand({ TopicArn })));
    const own = live?.Subscriptions?.find((one) => one.Protocol === protocol && one.Endpoint === endpoint);
    return own && { topic: TopicArn, protocol, endpoint, arn: own.SubscriptionArn ?? "" };
  },
  async update() {
    throw new Error("a subscription is replaced, never changed");
  },
  async delete({ sns }, _id, state) {
    const arn = optional(state, "arn");
    // One that nobody confirmed ends by itself.
    if (arn?.startsWith("arn:"))
      await found(() => sns.send(new UnsubscribeCommand({ SubscriptionArn: arn })));
  },
});

const attributes = (inputs: Properties) => ({
  KmsMasterKeyId: optional(inputs, "kmsMasterKeyId") ?? "",
  MessageRetentionPeriod: String(count(inputs, "messageRetentionSeconds") ?? 345_600),
});

async function urlOf({ sqs }: Aws, name: string): Promise<string | undefined> {
  return (await found(() => sqs.send(new GetQueueUrlCommand({ QueueName: name }))))?.QueueUrl;
}

export const queue = kind<Queue, QueueArgs>({
  type: "aws:sqs/queue:Queue",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    kmsMasterKeyId: text(),
    messageRetentionSeconds: number({ otherwise: 345_600 }),
  },
  computed: ["arn", "url"],
  async create(aws, inputs) {
    const QueueName = said(inputs, "name");
    const make = new CreateQueueCommand({ QueueName, Attributes: attributes(inputs) });
    await isThere(() => aws.sqs.send(make));
    return QueueName;
  },
  async read(aws, id) {
    const QueueUrl = await urlOf(aws, id);
    if (QueueUrl === undefined) return undefined;
    const live = await found(() =>
      aws.sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] })),
    );
    return (
      live && {
        name: id,
        kmsMasterKeyId: live.Attributes?.KmsMasterKeyId ?? "",
        messageRetentionSeconds: Number(live.Attributes?.MessageRetentionPeriod ?? 0),
        arn: live.Attributes?.QueueArn ?? "",
        url: QueueUrl,
      }
    );
  },
  async update(aws, id, inputs) {
    const QueueUrl = await urlOf(aws, id);
    await aws.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: attributes(inputs) }));
  },
  async delete(aws, id) {
    const QueueUrl = await urlOf(aws, id);
    if (QueueUrl !== undefined) await found(() => aws.sqs.send(new DeleteQueueCommand({ QueueUrl })));
  },
});
