import { Analyzer } from "@pulumi/aws/accessanalyzer/analyzer.js";
import { AccountPasswordPolicy } from "@pulumi/aws/iam/accountPasswordPolicy.js";
import { Group } from "@pulumi/aws/iam/group.js";
import { GroupPolicy } from "@pulumi/aws/iam/groupPolicy.js";
import type { AwsModel } from "../../model/aws.ts";

/**
 * What holds for the account: passwords of users that it may have, what those users may without a second factor, and a
 * look at what the outside can reach. No user is declared anywhere. Where people are users of another account, a group here
 * would hold nobody: its policy is an output then (`peopleElsewhere`), for who administers that account.
 */
export function declareAccount({ account, people, emulator }: AwsModel, analyzer: string): void {
  new AccountPasswordPolicy("passwords", {
    minimumPasswordLength: 14,
    passwordReusePrevention: 24,
    requireLowercaseCharacters: true,
    requireUppercaseCharacters: true,
    requireNumbers: true,
    requireSymbols: true,
    allowUsersToChangePassword: true,
    hardExpiry: false,
  });
  if (people.account === account) {
    const group = new Group(people.group, { name: people.group });
    new GroupPolicy(people.group, {
      name: "second-factor",
      group: group.name,
      policy: JSON.stringify(people.policy),
    });
  }
  if (emulator === undefined) new Analyzer(analyzer, { analyzerName: analyzer, type: "ACCOUNT" });
}

/** What somebody attaches in people's own account; undefined where that is the environment's. */
export function peopleElsewhere(aws: AwsModel | undefined): AwsModel["people"] | undefined {
  return aws === undefined || aws.people.account === aws.account ? undefined : aws.people;
}
