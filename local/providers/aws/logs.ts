import {
  type ComparisonOperator,
  DeleteAlarmsCommand,
  DescribeAlarmsCommand,
  PutMetricAlarmCommand,
  type Statistic,
} from "@aws-sdk/client-cloudwatch";
import {
  AssociateKmsKeyCommand,
  CreateLogGroupCommand,
  DeleteLogGroupCommand,
  DeleteMetricFilterCommand,
  DescribeLogGroupsCommand,
  DescribeMetricFiltersCommand,
  PutMetricFilterCommand,
  PutRetentionPolicyCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import type { LogGroup, LogGroupArgs } from "@pulumi/aws/cloudwatch/logGroup.js";
import type { LogMetricFilter, LogMetricFilterArgs } from "@pulumi/aws/cloudwatch/logMetricFilter.js";
import type { MetricAlarm, MetricAlarmArgs } from "@pulumi/aws/cloudwatch/metricAlarm.js";
import type { cloudwatch as types } from "@pulumi/aws/types/input.js";
import { block, flag, map, number, type Properties, set, text } from "../fields.ts";
import { said } from "../kind.ts";
import type { Aws } from "./clients.ts";
import { count, found, isThere, kind, optional, strings, within } from "./kind.ts";

async function setLog({ logs }: Aws, logGroupName: string, inputs: Properties): Promise<void> {
  const retentionInDays = count(inputs, "retentionInDays");
  if (retentionInDays !== undefined && retentionInDays > 0) {
    await logs.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays }));
  }
}

export const logGroup = kind<LogGroup, LogGroupArgs>({
  type: "aws:cloudwatch/logGroup:LogGroup",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    retentionInDays: number(),
    kmsKeyId: text(),
    // Read by whoever deletes it.
    skipDestroy: flag({ local: true }),
  },
  computed: ["arn"],
  async create(aws, inputs) {
    const logGroupName = said(inputs, "name");
    const kmsKeyId = optional(inputs, "kmsKeyId");
    await isThere(() => aws.logs.send(new CreateLogGroupCommand({ logGroupName, kmsKeyId })));
    await setLog(aws, logGroupName, inputs);
    return logGroupName;
  },
  async read({ logs, account, region }, id) {
    const { logGroups } = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: id }));
    const live = logGroups?.find(({ logGroupName }) => logGroupName === id);
    return (
      live && {
        name: id,
        retentionInDays: live.retentionInDays ?? 0,
        kmsKeyId: live.kmsKeyId ?? "",
        arn: `arn:aws:logs:${region}:${account}:log-group:${id}`,
      }
    );
  },
  async update(aws, id, inputs, changed) {
    // The emulator takes a key only where a group is made.
    const kmsKeyId = optional(inputs, "kmsKeyId");
    if (changed.includes("kmsKeyId") && kmsKeyId !== undefined) {
      await aws.logs.send(new AssociateKmsKeyCommand({ logGroupName: id, kmsKeyId }));
    }
    await setLog(aws, id, inputs);
  },
  async delete({ logs }, id, state) {
    if (state.skipDestroy === true) return;
    await found(() => logs.send(new DeleteLogGroupCommand({ logGroupName: id })));
  },
});

async function setFilter({ logs }: Aws, inputs: Properties): Promise<void> {
  const into = within(inputs.metricTransformation);
  await logs.send(
    new PutMetricFilterCommand({
      logGroupName: said(inputs, "logGroupName"),
      filterName: said(inputs, "name"),
      filterPattern: said(inputs, "pattern"),
      metricTransformations: [
        {
          metricName: said(into, "name"),
          metricNamespace: said(into, "namespace"),
          metricValue: said(into, "value"),
          defaultValue: Number(optional(into, "defaultValue") ?? 0),
        },
      ],
    }),
  );
}

export const metricFilter = kind<LogMetricFilter, LogMetricFilterArgs>({
  type: "aws:cloudwatch/logMetricFilter:LogMetricFilter",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    logGroupName: text({ required: true, replace: true, local: true }),
    pattern: text({ required: true }),
    metricTransformation: block<types.LogMetricFilterMetricTransformation>(
      {
        name: text({ required: true }),
        namespace: text({ required: true }),
        value: text({ required: true }),
        defaultValue: text({ otherwise: "0" }),
      },
      { required: true },
    ),
  },
  async create(aws, inputs) {
    await setFilter(aws, inputs);
    return said(inputs, "name");
  },
  async read({ logs }, id, state) {
    const logGroupName = said(state, "logGroupName");
    const live = await found(() =>
      logs.send(new DescribeMetricFiltersCommand({ logGroupName, filterNamePrefix: id })),
    );
    const filter = live?.metricFilters?.find(({ filterName }) => filterName === id);
    if (filter === undefined) return undefined;
    const [into] = filter.metricTransformations ?? [];
    return {
      name: id,
      logGroupName,
      pattern: filter.filterPattern ?? "",
      metricTransformation: {
        name: into?.metricName ?? "",
        namespace: into?.metricNamespace ?? "",
        value: into?.metricValue ?? "",
        defaultValue: String(into?.defaultValue ?? 0),
      },
    };
  },
  update: (aws, _id, inputs) => setFilter(aws, inputs),
  async delete({ logs }, id, state) {
    const logGroupName = said(state, "logGroupName");
    await found(() => logs.send(new DeleteMetricFilterCommand({ logGroupName, filterName: id })));
  },
});

async function setAlarm({ metrics }: Aws, inputs: Properties): Promise<void> {
  const dimensions = Object.entries(within(inputs.dimensions));
  await metrics.send(
    new PutMetricAlarmCommand({
      AlarmName: said(inputs, "name"),
      AlarmDescription: optional(inputs, "alarmDescription"),
      Namespace: said(inputs, "namespace"),
      MetricName: said(inputs, "metricName"),
      Dimensions: dimensions.map(([Name, value]) => ({ Name, Value: String(value) })),
      Statistic: said(inputs, "statistic") as Statistic,
      Period: count(inputs, "period"),
      EvaluationPeriods: count(inputs, "evaluationPeriods"),
      Threshold: count(inputs, "threshold"),
      ComparisonOperator: said(inputs, "comparisonOperator") as ComparisonOperator,
      TreatMissingData: optional(inputs, "treatMissingData") ?? "missing",
      ActionsEnabled: inputs.actionsEnabled !== false,
      AlarmActions: strings(inputs.alarmActions),
    }),
  );
}

export const alarm = kind<MetricAlarm, MetricAlarmArgs>({
  type: "aws:cloudwatch/metricAlarm:MetricAlarm",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    alarmDescription: text(),
    namespace: text({ required: true }),
    metricName: text({ required: true }),
    dimensions: map(),
    statistic: text({ required: true }),
    period: number({ required: true }),
    evaluationPeriods: number({ required: true }),
    threshold: number({ required: true }),
    comparisonOperator: text({ required: true }),
    treatMissingData: text({ otherwise: "missing" }),
    actionsEnabled: flag({ otherwise: true }),
    alarmActions: set(),
  },
  computed: ["arn"],
  async create(aws, inputs) {
    await setAlarm(aws, inputs);
    return said(inputs, "name");
  },
  async read({ metrics }, id) {
    const { MetricAlarms } = await metrics.send(new DescribeAlarmsCommand({ AlarmNames: [id] }));
    const live = MetricAlarms?.find(({ AlarmName }) => AlarmName === id);
    if (live === undefined) return undefined;
    return {
      name: id,
      alarmDescription: live.AlarmDescription ?? "",
      namespace: live.Namespace ?? "",
      metricName: live.MetricName ?? "",
      dimensions: Object.fromEntries(
        (live.Dimensions ?? []).map(({ Name, Value }) => [Name ?? "", Value ?? ""]),
      ),
      statistic: live.Statistic ?? "",
      period: live.Period ?? 0,
      evaluationPeriods: live.EvaluationPeriods ?? 0,
      threshold: live.Threshold ?? 0,
      comparisonOperator: live.ComparisonOperator ?? "",
      treatMissingData: live.TreatMissingData ?? "missing",
      actionsEnabled: live.ActionsEnabled !== false,
      alarmActions: [...(live.AlarmActions ?? [])].sort(),
      arn: live.AlarmArn ?? "",
    };
  },
  update: (aws, _id, inputs) => setAlarm(aws, inputs),
  async delete({ metrics }, id) {
    await found(() => metrics.send(new DeleteAlarmsCommand({ AlarmNames: [id] })));
  },
});
