import assert from "node:assert/strict";
import { test } from "node:test";
import * as messages from "../../../policies/aws/messages.ts";
import { aws } from "../../../policies/aws/types.ts";
import { type Example, everything, everythingBut, findings, ruleSuite, shipped } from "../examples.ts";
import { allow, policy, reworded } from "./document.ts";

ruleSuite(
  messages.messagesEncrypted,
  { type: aws.topic, props: { kmsMasterKeyId: "alias/x" } },
  {
    unset: [{ kmsMasterKeyId: undefined }, ["kmsMasterKeyId is not set"]],
  },
);
const topicPolicy = (more: object) => ({
  policy: JSON.stringify({
    Statement: {
      Effect: "Allow",
      Action: "sns:Publish",
      Principal: { Service: "cloudwatch.amazonaws.com" },
      ...more,
    },
  }),
});
ruleSuite(
  messages.topicNarrow,
  {
    type: aws.topicPolicy,
    props: topicPolicy({ Condition: { StringEquals: { "aws:SourceAccount": "111111111111" } } }),
  },
  {
    "any account": [topicPolicy({}), ["a service may publish for any account"]],
    everyone: [topicPolicy({ Principal: "*" }), ["everyone may publish"]],
    "more than publishing": [
      topicPolicy({
        Action: ["sns:Publish", "sns:Subscribe"],
        Condition: { StringEquals: { "aws:SourceAccount": "111111111111" } },
      }),
      ["it lets more than publish"],
    ],
  },
);

ruleSuite(messages.topicNarrow, shipped(aws.queue), {
  "a queue for everyone": [
    policy(allow({ Action: "sqs:SendMessage", Principal: "*", Resource: "*" })),
    ["everyone may publish"],
  ],
});
ruleSuite(messages.deadLettersKept, shipped(aws.queue), {
  unset: [{ messageRetentionSeconds: undefined }, ["messageRetentionSeconds is under a week"]],
  "four days": [{ messageRetentionSeconds: 345_600 }, ["messageRetentionSeconds is under a week"]],
  "longer than SQS takes": [
    { messageRetentionSeconds: 1_209_601 },
    ["messageRetentionSeconds is over two weeks, which SQS does not take"],
  ],
});
test("aws-topic-heard: refuses a topic of which nobody hears, or in a way that is none", () => {
  const topic = shipped(aws.topic);
  const subscription = (protocol: string, endpoint: string): Example => ({
    type: aws.subscription,
    props: { topic: "x", protocol, endpoint },
  });
  const of = (...examples: Example[]) => findings(messages.topicHeard, examples);
  assert.deepEqual(of(topic), ["nobody gets what is published"]);
  assert.deepEqual(of(topic, subscription("email", "ada@acme.example")), []);
  assert.deepEqual(of(topic, subscription("email", "ada")), ["it goes nowhere"]);
  assert.deepEqual(of(topic, subscription("email", "*")), ["it goes nowhere"]);
  assert.deepEqual(of(topic, subscription("http", "http://acme.example")), ["it goes by http"]);
  assert.deepEqual(of(topic, subscription("https", "http://acme.example")), ["it goes nowhere"]);
});
test("aws-topic-hears-alarms: refuses a topic that CloudWatch may not publish to", () => {
  const of = (examples: Example[]) => findings(messages.topicHears, examples);
  const refused = ["CloudWatch may not publish to it"];
  const topic = shipped(aws.topicPolicy);
  assert.deepEqual(of(everything()), []);
  assert.deepEqual(of(everythingBut(aws.topicPolicy)), refused);
  for (const change of [
    { Action: "sns:Subscribe" },
    { Effect: "Deny" },
    { Principal: { Service: "events.amazonaws.com" } },
    { Resource: "arn:aws:sns:eu-west-1:222222222222:other" },
  ]) {
    assert.deepEqual(of(everythingBut(aws.topicPolicy, reworded(topic, "AlarmsPublish", change))), refused);
  }
});
