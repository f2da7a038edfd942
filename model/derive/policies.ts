import type { Policy, PolicyRule, Secret } from "../model.ts";
import { type Context, compare } from "./context.ts";
import { administrators, groupPolicy } from "./people.ts";
import { configuration, platformPolicies } from "./platform.ts";
import { handOver, inOrder, type Parts, rule } from "./rules.ts";

/** One policy per service, CI job and group, and the platform's own. */
export function derivePolicies(context: Context, parts: Parts): Policy[] {
  const rules = rulesByConsumer(parts);
  const services = parts.services.map(
    (service): Policy => ({
      name: service.policy,
      purpose: `What ${service.id} reads, and nothing else.`,
      of: { kind: "service", id: service.id },
      rules: inOrder(rules.get(service.id) ?? []),
    }),
  );
  const jobs = parts.ciJobs.map(
    (job): Policy => ({
      name: job.policy,
      purpose: `What the CI job ${job.name} of ${job.system} reads, and nothing else.`,
      of: { kind: "ci", id: job.id },
      rules: inOrder(rules.get(job.id) ?? []),
    }),
  );
  return [...services, ...jobs, ...groups(context, parts), ...platformPolicies(parts)].sort((a, b) =>
    compare(a.name, b.name),
  );
}

/** The rules of each service and CI job, collected in one pass. */
function rulesByConsumer({ secrets, databases, encryptionKeys }: Parts): Map<string, PolicyRule[]> {
  const rules = new Map<string, PolicyRule[]>();
  const add = (consumer: string, own: PolicyRule) => {
    const before = rules.get(consumer);
    if (before === undefined) rules.set(consumer, [own]);
    else before.push(own);
  };
  for (const { consumers } of secrets) {
    for (const { id, path } of consumers) add(id, rule(`kv/data/${path}`, "read"));
  }
  for (const { users } of databases) {
    for (const { service, role } of users) add(service, rule(`database/creds/${role}`, "read"));
  }
  for (const { key, consumers } of encryptionKeys) {
    for (const { id, may } of consumers) {
      for (const operation of may) add(id, rule(`transit/${operation}/${key}`, "update"));
    }
  }
  return rules;
}

function groups({ organization }: Context, parts: Parts): Policy[] {
  return parts.groups.map(({ name, purpose }): Policy => {
    const entry = name === administrators ? undefined : organization.groups?.[name];
    const sees = name === administrators || entry?.audits === true;
    return {
      name: groupPolicy(name),
      purpose: `${purpose.replace(/\.$/, "")}.`,
      of: { kind: "group", id: name },
      rules: inOrder([
        ...(sees ? configuration(parts) : []),
        ...(name === administrators ? emergency(parts) : []),
        ...(entry?.operates ?? []).flatMap((system) => operating(parts, system)),
        ...(entry?.reads ?? []).flatMap((system) =>
          secretsOf(parts, system).map(({ source }) => rule(`kv/data/${source}`, "read")),
        ),
      ]),
    };
  });
}

/**
 * What an administrator may do at once when something leaks, and for a system that no group operates; everything
 * else goes through a review.
 */
function emergency({ databases, appRoles }: Parts): PolicyRule[] {
  return [
    rule("auth/token/revoke-accessor", "update"),
    ...appRoles.flatMap(({ name }) => handOver(name)),
    ...databases.flatMap(({ users }) =>
      users.map(({ role }) => rule(`sys/leases/revoke-prefix/database/creds/${role}`, "update", "sudo")),
    ),
  ];
}

/** Sets values without seeing them, and hands hosts their wrapped secret ids. */
function operating(parts: Parts, system: string): PolicyRule[] {
  return [
    ...secretsOf(parts, system).flatMap(({ source, journal }) => [
      rule(`kv/data/${source}`, "create", "update"),
      rule(`kv/metadata/${source}`, "read"),
      rule(`kv/data/${journal}`, "read"),
    ]),
    ...parts.appRoles
      .filter(({ service }) => service.startsWith(`${system}/`))
      .flatMap(({ name }) => handOver(name)),
  ];
}

function secretsOf({ secrets }: Parts, system: string): Secret[] {
  return secrets.filter((secret) => secret.system === system && secret.retired === undefined);
}
