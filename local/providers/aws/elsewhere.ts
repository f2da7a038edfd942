import type { Analyzer, AnalyzerArgs } from "@pulumi/aws/accessanalyzer/analyzer.js";
import type {
  BucketObjectLockConfiguration,
  BucketObjectLockConfigurationArgs,
} from "@pulumi/aws/s3/bucketObjectLockConfiguration.js";
import type { s3 as types } from "@pulumi/aws/types/input.js";
import { block, number, text } from "../fields.ts";
import { kind } from "./kind.ts";

/** What real environments have and the emulator has not: it can be planned here, and not made. */
const refused = {
  async create(): Promise<string> {
    throw new Error("the emulator has no such thing: run with --providers official against an account");
  },
  async read() {
    return undefined;
  },
  async update() {},
  async delete() {},
};

export const analyzer = kind<Analyzer, AnalyzerArgs>({
  type: "aws:accessanalyzer/analyzer:Analyzer",
  fields: { analyzerName: text({ required: true, replace: true }), type: text({ replace: true }) },
  computed: ["arn"],
  ...refused,
});

export const bucketLock = kind<BucketObjectLockConfiguration, BucketObjectLockConfigurationArgs>({
  type: "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
  fields: {
    bucket: text({ required: true, replace: true }),
    rule: block<types.BucketObjectLockConfigurationRule>({
      defaultRetention: block<types.BucketObjectLockConfigurationRuleDefaultRetention>({
        mode: text(),
        days: number(),
      }),
    }),
  },
  ...refused,
});
