import type { AwsModel, AwsRole } from "../../aws.ts";
import { seconds } from "../../duration.ts";
import type { Database, GitHubSettings, Person } from "../../model.ts";
import type { VaultSettings } from "../../vault.ts";
import { gitHubOf } from "../claims.ts";
import { type Context, compare, given, ordered } from "../context.ts";
import { arn, type Place } from "./document.ts";
import { deriveFunctions, deriveSchedules, functionLog, serverId } from "./functions.ts";
import { audience, issuer, workflowRole } from "./github.ts";
import { deriveKeys } from "./keys.ts";
import { functionRole, schedulerRole, trailLogRole, vaultRole } from "./machines.ts";
import { named, roleNames, scheduleGroup } from "./names.ts";
import { peopleRoles, secondFactorRequired } from "./people.ts";
import { deriveAwsSecrets, inUse } from "./secrets.ts";
import { deriveAlarms, topicPolicy, trailBucketPolicy } from "./trail.ts";
import { deployRights, driftRights, rotateRights } from "./workflows.ts";

/** Logs are kept for a year and a bit, as CloudWatch counts. */
const retention = 400;

/** What the environment has in AWS; undefined where the catalogue names no account. */
export function deriveAws(
  context: Context,
  from: { vault: VaultSettings; github: GitHubSettings; databases: Database[]; people: Person[] },
): AwsModel | undefined {
  const { block, environment, organization } = context;
  if (block.aws?.account === undefined || block.aws.region === undefined) return undefined;
  const { account, region } = block.aws;
  const place: Place = { account, region, environment };
  const names = roleNames(place);
  const prefix = named(place);
  const [trail, deadLetters, topic] = [`${prefix}-trail`, `${prefix}-dead-letters`, `${prefix}-alarms`];
  // Bucket names are everybody's: the account's number makes it ours.
  const bucket = `${prefix}-trail-${account}`;
  const trailLogs = `/keyplane/${environment}/trail`;
  const kept = deriveAwsSecrets(context, place);
  const secrets = inUse(kept);
  const functions = deriveFunctions(context, place, { ...from, secrets });
  const schedules = deriveSchedules(place, functions);
  const peopleAccount = block.aws.people?.account ?? account;
  const lock = block.aws.trail?.["object-lock"];
  const stateBucket = block.aws.state?.bucket;
  const secretNames = secrets.map(({ name }) => name);
  const rotators = functions
    .filter(({ calledBy }) => calledBy === "secrets-manager")
    .map(({ name }) => arn.function(place, name));
  const workflow = (name: "deploy" | "drift" | "rotate", purpose: string, rights: AwsRole["rights"]) =>
    workflowRole(place, context, gitHubOf(name, from.github), {
      name: names[name],
      workflow: `${name}.yml`,
      purpose,
      rights,
    });
  const auditing = new Set(
    ordered(organization.groups).flatMap(([group, { audits }]) => (audits ? [group] : [])),
  );
  const people = peopleRoles(
    place,
    peopleAccount,
    {
      administrators: [...organization.administrators].sort(),
      auditors: from.people
        .filter(({ groups }) => groups.some((group) => auditing.has(group)))
        .map(({ name }) => name),
    },
    {
      functions: functions.map(({ name }) => arn.function(place, name)),
      rotators,
      secrets: secretNames.map((name) => arn.secret(place, name)),
      schedules: schedules.map(({ name }) => arn.schedule(place, scheduleGroup(place), name)),
      // Also of those that are gone, as their users are retired: what they did stays.
      logGroups: [
        trailLogs,
        ...new Set([
          ...functions.map(({ logGroup }) => logGroup),
          ...kept.map((secret) => functionLog(secret.function)),
        ]),
      ],
      bucket,
    },
  );
  return {
    account,
    region,
    ...given("emulator", block.aws.emulator),
    keys: deriveKeys(place, {
      functions,
      secrets,
      trail,
      hasState: stateBucket !== undefined,
      isAudited: people.some(({ name }) => name === names.auditor),
    }),
    github: { url: `https://${issuer}`, audience },
    roles: [
      workflow(
        "deploy",
        "Builds the platform from the reviewed branch.",
        deployRights(place, rotators, stateBucket),
      ),
      workflow(
        "drift",
        "Sees the configuration; changes nothing and reads no value.",
        driftRights(place, stateBucket),
      ),
      workflow(
        "rotate",
        "Has Secrets Manager rotate what it is late with.",
        secretNames.length === 0 ? undefined : rotateRights(place, secretNames, rotators),
      ),
      ...people,
      vaultRole(place, functions),
      ...functions.map((each) =>
        functionRole(place, each, {
          secrets: secrets.filter((secret) => secret.function === each.name).map(({ name }) => name),
          deadLetters,
        }),
      ),
      schedulerRole(
        place,
        schedules.map((schedule) => schedule.function),
        deadLetters,
      ),
      trailLogRole(place, trail, trailLogs),
    ].sort((a, b) => compare(a.name, b.name)),
    rotateRole: names.rotate,
    people: {
      account: peopleAccount,
      group: `${prefix}-people`,
      policy: secondFactorRequired(people.map(({ name }) => arn.role(place, name))),
    },
    trail: {
      name: trail,
      bucket,
      bucketPolicy: trailBucketPolicy(place, bucket, trail),
      logGroup: trailLogs,
      logRole: names.trailLogs,
      ...given("lock", lock === undefined ? undefined : seconds(lock)),
      retention,
    },
    ...given("stateBucket", stateBucket),
    alarms: deriveAlarms(place, functions, deadLetters),
    topic: {
      name: topic,
      policy: topicPolicy(place, topic),
      emails: [...new Set([organization.contacts.security, organization.contacts["on-call"]])].sort(),
    },
    deadLetters,
    functions,
    scheduleGroup: scheduleGroup(place),
    schedules,
    secrets: kept,
    vault: { serverId: serverId(from.vault) },
  };
}
