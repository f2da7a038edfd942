import type { Secret } from "../model.ts";
import type { AppRole, Policy, PolicyRule } from "../vault.ts";
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
function rulesByConsumer({ vault, secrets, databases, encryptionKeys }: Parts): Map<string, PolicyRule[]> {
  const { kv, database, transit } = vault.mounts;
  const rules = new Map<string, PolicyRule[]>();
  const add = (consumer: string, own: PolicyRule) => {
    const before = rules.get(consumer);
    if (before === undefined) rules.set(consumer, [own]);
    else before.push(own);
  };
  for (const { consumers } of secrets) {
    for (const { id, path } of consumers) add(id, rule(`${kv}/data/${path}`, "read"));
  }
  for (const { users } of databases) {
    for (const { service, role } of users) add(service, rule(`${database}/creds/${role}`, "read"));
  }
  for (const { key, consumers } of encryptionKeys) {
    for (const { id, may } of consumers) {
      for (const operation of may) add(id, rule(`${transit}/${operation}/${key}`, "update"));
    }
  }
  return rules;
}

function groups({ organization }: Context, parts: Parts): Policy[] {
  const { kv } = parts.vault.mounts;
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
        ...(entry?.operates ?? [])
          .filter((system) => entry?.reads?.includes(system))
          .flatMap((system) => hostsOf(parts, system).flatMap(({ name }) => handOver(parts, name))),
        ...(entry?.reads ?? []).flatMap((system) =>
          secretsOf(parts, system).map(({ source }) => rule(`${kv}/data/${source}`, "read")),
        ),
      ]),
    };
  });
}

/**
 * What an administrator may do at once when something leaks, and for a system that no group operates; everything
 * else goes through a review.
 */
function emergency(parts: Parts): PolicyRule[] {
  const { vault, databases, appRoles, people } = parts;
  const { database } = vault.mounts;
  const { approle } = vault.auth;
  return [
    rule("auth/token/revoke-accessor", "update"),
    // Stops a person, whose next login would otherwise undo the revocation; everything else of the entity stays.
    ...people.map(({ name }) => ({
      ...rule(`identity/entity/name/${name}`, "update"),
      parameters: ["disabled"],
    })),
    ...appRoles.flatMap(({ name }) => [
      ...handOver(parts, name),
      rule(`auth/${approle}/role/${name}/secret-id`, "list"),
      rule(`auth/${approle}/role/${name}/secret-id-accessor/destroy`, "update"),
    ]),
    ...databases.flatMap(({ users }) =>
      users.map(({ role }) => rule(`sys/leases/revoke-prefix/${database}/creds/${role}`, "update", "sudo")),
    ),
  ];
}

/** Sets values without seeing them. A host's secret id would show them, so only readers hand those over. */
function operating(parts: Parts, system: string): PolicyRule[] {
  const { kv } = parts.vault.mounts;
  return [
    ...secretsOf(parts, system).flatMap(({ source, journal }) => [
      rule(`${kv}/data/${source}`, "create", "update"),
      rule(`${kv}/metadata/${source}`, "read"),
      rule(`${kv}/data/${journal}`, "read"),
    ]),
  ];
}

function hostsOf({ appRoles }: Parts, system: string): AppRole[] {
  return appRoles.filter(({ service }) => service.startsWith(`${system}/`));
}

function secretsOf({ secrets }: Parts, system: string): Secret[] {
  return secrets.filter((secret) => secret.system === system && secret.retired === undefined);
}
