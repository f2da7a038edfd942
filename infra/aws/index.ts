import type { AwsModel, LambdaName } from "../../model/aws.ts";
import { declareAccount } from "./account.ts";
import { declareAlarms, declareTopic } from "./alarms.ts";
import { declareDeadLetters, RotationFunction } from "./functions.ts";
import { declareKeys } from "./keys.ts";
import { type DeclaredRole, declareGitHub, declareRoles } from "./roles.ts";
import { declareSchedule, declareScheduleGroup } from "./schedules.ts";
import { DatabaseUserSecret } from "./secrets.ts";
import { AuditTrail } from "./trail.ts";

/** Declares an environment's AWS account. `code` is the folder of each function's bundle. @returns its roles, by name */
export function declareAws(aws: AwsModel, code: Record<LambdaName, string>): Map<string, DeclaredRole> {
  // Who there is, then what each may use, then what is written down, then what acts.
  const roles = declareRoles(aws.roles, declareGitHub(aws.github));
  const role = (name: string) => roles.get(name) as DeclaredRole;
  const keys = declareKeys(
    aws.keys,
    [...roles.values()].map(({ role }) => role),
  );
  declareAccount(aws, aws.trail.name);

  const { account, region, trail, functions } = aws;
  const audit = new AuditTrail("audit", {
    trail,
    key: keys.audit,
    logRole: role(trail.logRole),
    stateBucket: aws.stateBucket,
    functions,
    region,
    account,
  });
  const topic = declareTopic(aws.topic, keys.data);
  declareAlarms(aws.alarms, { topic, logGroup: audit.logGroup }, { dependsOn: [audit] });

  const deadLetters = declareDeadLetters(aws.deadLetters, keys.data);
  const rotators = new Map(
    functions.map((each) => [
      each.name,
      new RotationFunction(each.name, {
        function: each,
        code,
        role: role(each.role),
        keys,
        deadLetters,
        account,
        retention: trail.retention,
      }),
    ]),
  );
  const rotator = (name: string) => rotators.get(name) as RotationFunction;
  const group = declareScheduleGroup(aws.scheduleGroup);
  for (const schedule of aws.schedules) {
    declareSchedule(schedule, {
      group,
      target: rotator(schedule.function).resource,
      role: role(schedule.role),
      deadLetters,
    });
  }
  for (const secret of aws.secrets) {
    const rotates = secret.retired === undefined ? { rotator: rotator(secret.function) } : {};
    new DatabaseUserSecret(secret.name, { secret, key: keys.data, ...rotates });
  }
  return roles;
}
