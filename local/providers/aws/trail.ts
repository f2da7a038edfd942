import {
  CreateTrailCommand,
  DeleteTrailCommand,
  GetEventSelectorsCommand,
  GetTrailCommand,
  GetTrailStatusCommand,
  PutEventSelectorsCommand,
  type ReadWriteType,
  StartLoggingCommand,
  StopLoggingCommand,
  UpdateTrailCommand,
} from "@aws-sdk/client-cloudtrail";
import type { Trail, TrailArgs } from "@pulumi/aws/cloudtrail/trail.js";
import type { cloudtrail as types } from "@pulumi/aws/types/input.js";
import { blocks, flag, list, type Properties, text } from "../fields.ts";
import { said } from "../kind.ts";
import type { Aws } from "./clients.ts";
import { found, isThere, kind, optional, strings, within } from "./kind.ts";

function settings(name: string, inputs: Properties) {
  return {
    Name: name,
    S3BucketName: said(inputs, "s3BucketName"),
    KmsKeyId: optional(inputs, "kmsKeyId"),
    IsMultiRegionTrail: inputs.isMultiRegionTrail === true,
    IncludeGlobalServiceEvents: inputs.includeGlobalServiceEvents !== false,
    EnableLogFileValidation: inputs.enableLogFileValidation === true,
    CloudWatchLogsLogGroupArn: optional(inputs, "cloudWatchLogsGroupArn"),
    CloudWatchLogsRoleArn: optional(inputs, "cloudWatchLogsRoleArn"),
  };
}

/** What a trail looks at, and whether it looks at all, are calls of their own. */
async function setRest({ trail }: Aws, name: string, inputs: Properties): Promise<void> {
  const selectors = Array.isArray(inputs.eventSelectors) ? inputs.eventSelectors.map(within) : [];
  await trail.send(
    new PutEventSelectorsCommand({
      TrailName: name,
      EventSelectors: selectors.map((selector) => ({
        ReadWriteType: (optional(selector, "readWriteType") ?? "All") as ReadWriteType,
        IncludeManagementEvents: selector.includeManagementEvents !== false,
        DataResources: (Array.isArray(selector.dataResources) ? selector.dataResources.map(within) : []).map(
          (resource) => ({ Type: said(resource, "type"), Values: strings(resource.values) }),
        ),
      })),
    }),
  );
  const Name = name;
  await trail.send(
    inputs.enableLogging === false ? new StopLoggingCommand({ Name }) : new StartLoggingCommand({ Name }),
  );
}

export const trail = kind<Trail, TrailArgs>({
  type: "aws:cloudtrail/trail:Trail",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    s3BucketName: text({ required: true }),
    kmsKeyId: text(),
    isMultiRegionTrail: flag(),
    includeGlobalServiceEvents: flag({ otherwise: true }),
    enableLogFileValidation: flag(),
    enableLogging: flag({ otherwise: true }),
    cloudWatchLogsGroupArn: text(),
    cloudWatchLogsRoleArn: text(),
    eventSelectors: blocks<types.TrailEventSelector>({
      readWriteType: text({ otherwise: "All" }),
      includeManagementEvents: flag({ otherwise: true }),
      dataResources: blocks<types.TrailEventSelectorDataResource>({
        type: text({ required: true }),
        values: list({ required: true }),
      }),
    }),
  },
  computed: ["arn", "homeRegion"],
  async create(aws, inputs) {
    const id = said(inputs, "name");
    await isThere(() => aws.trail.send(new CreateTrailCommand(settings(id, inputs))));
    // The emulator takes the log group in an update alone.
    await aws.trail.send(new UpdateTrailCommand(settings(id, inputs)));
    await setRest(aws, id, inputs);
    return id;
  },
  async read({ trail, region }, id) {
    const live = await found(() => trail.send(new GetTrailCommand({ Name: id })));
    if (live?.Trail === undefined) return undefined;
    const [status, selectors] = await Promise.all([
      trail.send(new GetTrailStatusCommand({ Name: id })),
      trail.send(new GetEventSelectorsCommand({ TrailName: id })),
    ]);
    const { Trail: is } = live;
    return {
      name: id,
      s3BucketName: is.S3BucketName ?? "",
      kmsKeyId: is.KmsKeyId ?? "",
      isMultiRegionTrail: is.IsMultiRegionTrail === true,
      includeGlobalServiceEvents: is.IncludeGlobalServiceEvents === true,
      enableLogFileValidation: is.LogFileValidationEnabled === true,
      enableLogging: status.IsLogging === true,
      cloudWatchLogsGroupArn: is.CloudWatchLogsLogGroupArn ?? "",
      cloudWatchLogsRoleArn: is.CloudWatchLogsRoleArn ?? "",
      eventSelectors: (selectors.EventSelectors ?? []).map((selector) => ({
        readWriteType: selector.ReadWriteType ?? "All",
        includeManagementEvents: selector.IncludeManagementEvents !== false,
        dataResources: (selector.DataResources ?? []).map(({ Type, Values }) => ({
          type: Type ?? "",
          values: Values ?? [],
        })),
      })),
      arn: is.TrailARN ?? "",
      homeRegion: is.HomeRegion ?? region,
    };
  },
  async update(aws, id, inputs) {
    await aws.trail.send(new UpdateTrailCommand(settings(id, inputs)));
    await setRest(aws, id, inputs);
  },
  async delete({ trail }, id) {
    await found(() => trail.send(new DeleteTrailCommand({ Name: id })));
  },
});
