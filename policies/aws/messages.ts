import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
import { number, text } from "../value.ts";
import { covers } from "./document.ts";
import { statements } from "./documents.ts";
import { nameIn, nameOf } from "./place.ts";
import { aws } from "./types.ts";

export const messagesEncrypted: ResourceRule = {
  name: "aws-messages-encrypted",
  sentence: "Topics and queues of alarms and failed rotations are encrypted.",
  severity: "medium",
  fix: "Set kmsMasterKeyId to a key of ours.",
  controls: ["NIST-800-53r5/SC-28(1)", "R53"],
  types: [aws.topic, aws.queue],
  *judge({ props }) {
    if (text(props.kmsMasterKeyId) === undefined) yield "kmsMasterKeyId is not set";
  },
};

export const topicNarrow: ResourceRule = {
  name: "aws-topic-narrow",
  sentence:
    "Only named services and accounts publish to a topic or send to a queue, and nobody does more with it.",
  severity: "medium",
  fix: "Name the service, with aws:SourceAccount or aws:SourceArn.",
  controls: ["NIST-800-53r5/AC-3", "R48"],
  types: [aws.topicPolicy, aws.queue],
  *judge({ type, props }) {
    for (const statement of statements(type, props)) {
      if (!statement.allow) continue;
      const keys = [...statement.conditions.values()].flatMap((map) => [...map.keys()]);
      const bound = keys.some((key) =>
        ["aws:sourceaccount", "aws:sourcearn", "aws:sourceowner"].includes(key),
      );
      if (statement.principals.includes("*") && !bound) yield "everyone may publish";
      if (statement.principals.some((principal) => principal.startsWith("Service ")) && !bound) {
        yield "a service may publish for any account";
      }
      if (statement.actions.some((action) => action !== "sns:publish" && action !== "sqs:sendmessage"))
        yield "it lets more than publish";
    }
  },
};

const arn = /^arn:aws[\w-]*:(sqs|lambda):[\w-]+:\d{12}:[\w:-]+$/;
const address = /^[^\s@*]+@[a-z0-9.-]+\.[a-z]+$/i;
/** How alarms may go, and where to. */
const ends: Record<string, RegExp> = {
  email: address,
  "email-json": address,
  https: /^https:\/\/[a-z0-9.-]+(\/[\w./-]*)?$/i,
  sqs: arn,
  lambda: arn,
};

export const topicHeard: StackRule = {
  name: "aws-topic-heard",
  sentence: "Somebody gets the alarms: a topic has a subscription by e-mail or TLS.",
  severity: "medium",
  fix: "Declare a subscription of a contact for the topic.",
  controls: ["NIST-800-53r5/SI-4(5)", "R48"],
  types: [aws.subscription],
  *judgeStack(resources) {
    const subscriptions = ofType(resources, aws.subscription);
    for (const { urn, props } of subscriptions) {
      const protocol = text(props.protocol) ?? "nothing";
      if (ends[protocol] === undefined) yield { urn, message: `it goes by ${protocol}` };
      else if (!ends[protocol].test(text(props.endpoint) ?? "")) yield { urn, message: "it goes nowhere" };
    }
    const [topic] = ofType(resources, aws.topic);
    if (topic !== undefined && subscriptions.length === 0)
      yield { urn: topic.urn, message: "nobody gets what is published" };
  },
};

export const topicHears: StackRule = {
  name: "aws-topic-hears-alarms",
  sentence: "The topic that alarms name lets CloudWatch publish to it.",
  severity: "high",
  fix: "Allow sns:Publish to cloudwatch.amazonaws.com in a policy of the topic.",
  controls: ["NIST-800-53r5/SI-4(5)", "R48"],
  *judgeStack(resources) {
    const policies = ofType(resources, aws.topicPolicy);
    for (const topic of ofType(resources, aws.topic)) {
      const own = nameOf(topic);
      const lets = policies
        .filter(({ props }) => nameIn(text(props.arn) ?? "") === own)
        .flatMap((policy) => statements(policy.type, policy.props))
        .some(
          (statement) =>
            statement.allow &&
            covers(statement, "sns:Publish") &&
            statement.principals.includes("Service cloudwatch.amazonaws.com") &&
            statement.resources.some((resource) => nameIn(resource) === own),
        );
      if (!lets) yield { urn: topic.urn, message: "CloudWatch may not publish to it" };
    }
  },
};

export const deadLettersKept: ResourceRule = {
  name: "aws-dead-letters-kept",
  sentence: "What failed lies for a week or more, so that somebody can look at it after a holiday.",
  severity: "medium",
  fix: "Set messageRetentionSeconds to 1209600, which is the most that SQS takes.",
  controls: ["NIST-800-53r5/SI-12", "R14"],
  types: [aws.queue],
  *judge({ props }) {
    const seconds = number(props.messageRetentionSeconds);
    if (seconds === undefined || seconds < 604_800) yield "messageRetentionSeconds is under a week";
    else if (seconds > 1_209_600) yield "messageRetentionSeconds is over two weeks, which SQS does not take";
  },
};
