import { LogMetricFilter } from "@pulumi/aws/cloudwatch/logMetricFilter.js";
import { MetricAlarm } from "@pulumi/aws/cloudwatch/metricAlarm.js";
import type { Key } from "@pulumi/aws/kms/key.js";
import { Topic } from "@pulumi/aws/sns/topic.js";
import { TopicPolicy } from "@pulumi/aws/sns/topicPolicy.js";
import { TopicSubscription } from "@pulumi/aws/sns/topicSubscription.js";
import type { CustomResourceOptions } from "@pulumi/pulumi";
import type { AwsAlarm, AwsModel } from "../../model/aws.ts";

/** Metrics that are counted in the trail. */
const namespace = "keyplane";

/** Where alarms go: encrypted, from this account's alarms alone, to the people on call and of security. */
export function declareTopic({ name, policy, emails }: AwsModel["topic"], key: Key): Topic {
  const topic = new Topic(name, { name, kmsMasterKeyId: key.arn });
  new TopicPolicy(name, { arn: topic.arn, policy: JSON.stringify(policy) });
  for (const email of emails) {
    new TopicSubscription(email, { topic: topic.arn, protocol: "email", endpoint: email });
  }
  return topic;
}

/**
 * Events of the trail are counted by a filter; each alarm then rings at the first one in five minutes. Who is silent where
 * something was to happen is heard of once the time is over: nothing counted is then what is wrong.
 */
export function declareAlarms(
  alarms: AwsAlarm[],
  { topic, logGroup }: { topic: Topic; logGroup: string },
  opts: CustomResourceOptions,
): void {
  for (const alarm of alarms) {
    const { name, purpose } = alarm;
    if ("pattern" in alarm) {
      new LogMetricFilter(
        name,
        {
          name,
          logGroupName: logGroup,
          pattern: alarm.pattern,
          metricTransformation: { name, namespace, value: "1", defaultValue: "0" },
        },
        opts,
      );
    }
    const metric = "pattern" in alarm ? { namespace, name, dimensions: {} } : alarm.metric;
    new MetricAlarm(name, {
      name,
      alarmDescription: purpose,
      namespace: metric.namespace,
      metricName: metric.name,
      ...(Object.keys(metric.dimensions).length > 0 && { dimensions: metric.dimensions }),
      statistic: "Sum",
      evaluationPeriods: 1,
      threshold: 1,
      ...("silent" in alarm && alarm.silent !== undefined
        ? { period: alarm.silent, comparisonOperator: "LessThanThreshold", treatMissingData: "breaching" }
        : {
            period: 300,
            comparisonOperator: "GreaterThanOrEqualToThreshold",
            treatMissingData: "notBreaching",
          }),
      alarmActions: [topic.arn],
    });
  }
}
