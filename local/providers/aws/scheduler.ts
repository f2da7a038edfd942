import {
  CreateScheduleCommand,
  CreateScheduleGroupCommand,
  DeleteScheduleCommand,
  DeleteScheduleGroupCommand,
  type FlexibleTimeWindowMode,
  GetScheduleCommand,
  GetScheduleGroupCommand,
  type ScheduleState,
  UpdateScheduleCommand,
} from "@aws-sdk/client-scheduler";
import type { Schedule, ScheduleArgs } from "@pulumi/aws/scheduler/schedule.js";
import type { ScheduleGroup, ScheduleGroupArgs } from "@pulumi/aws/scheduler/scheduleGroup.js";
import type { scheduler as types } from "@pulumi/aws/types/input.js";
import { block, number, type Properties, text } from "../fields.ts";
import { said } from "../kind.ts";
import { count, found, isThere, kind, optional, within } from "./kind.ts";

function settings(Name: string, inputs: Properties) {
  const [target, window] = [within(inputs.target), within(inputs.flexibleTimeWindow)];
  const retries = within(target.retryPolicy);
  return {
    Name,
    GroupName: optional(inputs, "groupName") ?? "default",
    ScheduleExpression: said(inputs, "scheduleExpression"),
    ScheduleExpressionTimezone: optional(inputs, "scheduleExpressionTimezone") ?? "UTC",
    State: (optional(inputs, "state") ?? "ENABLED") as ScheduleState,
    FlexibleTimeWindow: {
      Mode: said(window, "mode") as FlexibleTimeWindowMode,
      MaximumWindowInMinutes: count(window, "maximumWindowInMinutes"),
    },
    Target: {
      Arn: said(target, "arn"),
      RoleArn: said(target, "roleArn"),
      RetryPolicy: {
        MaximumRetryAttempts: count(retries, "maximumRetryAttempts"),
        MaximumEventAgeInSeconds: count(retries, "maximumEventAgeInSeconds"),
      },
      DeadLetterConfig: { Arn: optional(within(target.deadLetterConfig), "arn") },
    },
  };
}

export const scheduleGroup = kind<ScheduleGroup, ScheduleGroupArgs>({
  type: "aws:scheduler/scheduleGroup:ScheduleGroup",
  fields: { name: text({ required: true, replace: true, local: true }) },
  computed: ["arn"],
  async create({ scheduler }, inputs) {
    const name = said(inputs, "name");
    await isThere(() => scheduler.send(new CreateScheduleGroupCommand({ Name: name })));
    return name;
  },
  async read({ scheduler }, id) {
    const live = await found(() => scheduler.send(new GetScheduleGroupCommand({ Name: id })));
    return live === undefined ? undefined : { name: id, arn: live.Arn ?? "" };
  },
  // Everything that it has is its name.
  async update() {},
  async delete({ scheduler }, id) {
    await found(() => scheduler.send(new DeleteScheduleGroupCommand({ Name: id })));
  },
});

export const schedule = kind<Schedule, ScheduleArgs>({
  type: "aws:scheduler/schedule:Schedule",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    groupName: text({ otherwise: "default", replace: true }),
    scheduleExpression: text({ required: true }),
    scheduleExpressionTimezone: text({ otherwise: "UTC" }),
    state: text({ otherwise: "ENABLED" }),
    flexibleTimeWindow: block<types.ScheduleFlexibleTimeWindow>(
      { mode: text({ required: true }), maximumWindowInMinutes: number() },
      { required: true },
    ),
    target: block<types.ScheduleTarget>(
      {
        arn: text({ required: true }),
        roleArn: text({ required: true }),
        retryPolicy: block<types.ScheduleTargetRetryPolicy>({
          maximumRetryAttempts: number({ otherwise: 185 }),
          maximumEventAgeInSeconds: number({ otherwise: 86_400 }),
        }),
        deadLetterConfig: block<types.ScheduleTargetDeadLetterConfig>({ arn: text() }),
      },
      { required: true },
    ),
  },
  computed: ["arn"],
  async create({ scheduler }, inputs) {
    const name = said(inputs, "name");
    if (await isThere(() => scheduler.send(new CreateScheduleCommand(settings(name, inputs))))) {
      await scheduler.send(new UpdateScheduleCommand(settings(name, inputs)));
    }
    return `${optional(inputs, "groupName") ?? "default"}/${name}`;
  },
  async read({ scheduler }, id) {
    const [GroupName = "default", Name = ""] = id.split("/");
    const live = await found(() => scheduler.send(new GetScheduleCommand({ GroupName, Name })));
    if (live === undefined) return undefined;
    const { Target, FlexibleTimeWindow: window } = live;
    return {
      name: Name,
      groupName: GroupName,
      scheduleExpression: live.ScheduleExpression ?? "",
      scheduleExpressionTimezone: live.ScheduleExpressionTimezone ?? "UTC",
      state: live.State ?? "ENABLED",
      flexibleTimeWindow: {
        mode: window?.Mode ?? "OFF",
        maximumWindowInMinutes: window?.MaximumWindowInMinutes ?? 0,
      },
      target: {
        arn: Target?.Arn ?? "",
        roleArn: Target?.RoleArn ?? "",
        retryPolicy: {
          maximumRetryAttempts: Target?.RetryPolicy?.MaximumRetryAttempts ?? 185,
          maximumEventAgeInSeconds: Target?.RetryPolicy?.MaximumEventAgeInSeconds ?? 86_400,
        },
        deadLetterConfig: { arn: Target?.DeadLetterConfig?.Arn ?? "" },
      },
      arn: live.Arn ?? "",
    };
  },
  async update({ scheduler }, id, inputs) {
    const [, name = ""] = id.split("/");
    await scheduler.send(new UpdateScheduleCommand(settings(name, inputs)));
  },
  async delete({ scheduler }, id) {
    const [GroupName = "default", Name = ""] = id.split("/");
    await found(() => scheduler.send(new DeleteScheduleCommand({ GroupName, Name })));
  },
});
