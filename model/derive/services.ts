import { seconds } from "../duration.ts";
import type { CiJob, Delivery, Service } from "../model.ts";
import { fit, limits } from "../names.ts";
import type { DeliveryEntry } from "../schema/delivery.ts";
import type { ServiceEntry, System } from "../schema/system.ts";
import type { AppRole, KubernetesRole } from "../vault.ts";
import { type Context, compare, day, given, hour, ordered, physical, retiredOf } from "./context.ts";
import { joined } from "./paths.ts";

interface Declared {
  system: System;
  name: string;
  entry: ServiceEntry;
}

function declaredServices({ systems }: Context): Declared[] {
  return systems.flatMap((system) =>
    ordered(system.services).map(([name, entry]) => ({ system, name, entry })),
  );
}

/** Every service, ordered by id, retired ones included, with its policy and how values reach it. */
export function deriveServices(context: Context): Service[] {
  return declaredServices(context)
    .map(({ system, name, entry }): Service => {
      const observe = entry.observe === "none" ? undefined : entry.observe;
      return {
        id: `${system.system}/${name}`,
        system: system.system,
        name,
        runsOn: entry["runs-on"],
        ...given("user", entry.user),
        reload: entry.reload,
        settles: seconds(entry.settles ?? "6m"),
        ...given("kubernetes", kubernetesOf(entry)),
        policy: serviceName(system, name, entry),
        deliver: deliveriesOf(system, name, entry),
        ...given(
          "observe",
          observe && {
            instances: [...(observe.instances ?? [])],
            ...given("metrics", observe.metrics),
            ...given("log", observe.log),
            ...given("pattern", observe.pattern),
          },
        ),
        ...(entry.observe === "none" && { unobserved: true }),
        ...retiredOf(entry, system),
      };
    })
    .sort((a, b) => compare(a.id, b.id));
}

/** The name of a service's policy and role. */
export function serviceName(system: System, name: string, entry: ServiceEntry | undefined): string {
  return joined(physical(system.system, system), physical(name, entry));
}

function kubernetesOf(entry: ServiceEntry): Service["kubernetes"] {
  const { kubernetes } = entry;
  return kubernetes && { namespace: kubernetes.namespace, serviceAccount: kubernetes["service-account"] };
}

/** As said, or the platform's usual way: files where a host or container can read them, else a Secret. */
function deliveriesOf(system: System, name: string, entry: ServiceEntry): Delivery[] {
  if (entry.deliver !== undefined)
    return entry.deliver.map((target) => delivery(system, name, entry, target));
  if (entry["runs-on"] === "kubernetes")
    return [delivery(system, name, entry, { to: "vault-secrets-operator" })];
  return entry["runs-on"] === "paas" ? [] : [{ to: "vault-agent", folder: "/run/secrets" }];
}

function delivery(
  system: System,
  name: string,
  entry: ServiceEntry | undefined,
  target: DeliveryEntry,
): Delivery {
  if (target.to === "kubernetes-secret" || target.to === "vault-secrets-operator") {
    return {
      to: target.to,
      namespace: entry?.kubernetes?.namespace ?? system.system,
      secret: target.secret ?? fit(name.replaceAll("_", "-"), limits.kubernetes),
    };
  }
  if (target.to === "github-actions") {
    return {
      to: target.to,
      repository: system.repository?.name ?? "",
      ...given("environment", target.environment),
    };
  }
  return target;
}

/** The CI jobs that may log in from the environment, ordered by id, with the ids of the secrets that they read. */
export function deriveCiJobs(context: Context): CiJob[] {
  return activeJobs(context)
    .map(
      ({ system, name, entry }): CiJob => ({
        id: `${system.system}/ci/${name}`,
        system: system.system,
        name,
        workflow: entry.workflow,
        reads: entry.reads.map((secret) => `${system.system}/${secret}`).sort(),
        policy: jobName(system, name),
        deliver: (entry.deliver ?? []).map((target) => delivery(system, name, undefined, target)),
      }),
    )
    .sort((a, b) => compare(a.id, b.id));
}

/** The jobs of the environment that may still log in. */
export function activeJobs({ systems, environment }: Context) {
  return systems
    .filter((system) => system.retired === undefined)
    .flatMap((system) => ordered(system.ci).map(([name, entry]) => ({ system, name, entry })))
    .filter(({ entry }) => entry.environments?.includes(environment) ?? true);
}

/** The name of a CI job's policy and role. */
export function jobName(system: System, name: string): string {
  return joined(physical(system.system, system), "ci", name);
}

/** Where hosts log in from when neither the service nor its environment says so: the local stack only. */
const loopback = ["127.0.0.1/32"];

/** Roles of what runs on hosts. A secret id lives a week and serves its own ranges only. */
export function deriveAppRoles(context: Context): AppRole[] {
  return declaredServices(context)
    .filter(
      ({ system, entry }) =>
        usesAppRole(entry) && entry.retired === undefined && system.retired === undefined,
    )
    .map(
      ({ system, name, entry }): AppRole => ({
        name: serviceName(system, name, entry),
        service: `${system.system}/${name}`,
        deliveredBy: deliverer(context, system),
        policies: [serviceName(system, name, entry)],
        secretIdTtl: 7 * day,
        secretIdUses: 40,
        cidrs: [...(entry.cidrs ?? context.block.vault?.cidrs ?? loopback)].sort(),
        ttl: hour,
        maxTtl: day,
      }),
    )
    .sort((a, b) => compare(a.name, b.name));
}

/** The owner, who may hand over secret ids as an operator who reads or an administrator; else an administrator. */
function deliverer({ organization }: Context, { system, owner }: System): string {
  const operates = (organization.people[owner]?.groups ?? []).some((name) => {
    const group = organization.groups?.[name];
    return group?.operates?.includes(system) && group.reads?.includes(system);
  });
  const [administrator = owner] = organization.administrators;
  return operates || organization.administrators.includes(owner) ? owner : administrator;
}

/** Whether a service logs in to Vault from a host. */
export function usesAppRole(entry: ServiceEntry): boolean {
  return entry["runs-on"] === "compose" || entry["runs-on"] === "supervisor";
}

/**
 * Roles of what runs on Kubernetes, one per service account and not for what is retired, ordered by name; an hour, a day
 * with renewal.
 */
export function deriveKubernetesRoles(context: Context): KubernetesRole[] {
  return declaredServices(context)
    .flatMap(({ system, name, entry }): KubernetesRole[] => {
      const kubernetes = kubernetesOf(entry);
      if (entry["runs-on"] !== "kubernetes" || kubernetes === undefined) return [];
      if (entry.retired !== undefined || system.retired !== undefined) return [];
      return [
        {
          name: serviceName(system, name, entry),
          service: `${system.system}/${name}`,
          ...kubernetes,
          audience: "vault",
          policies: [serviceName(system, name, entry)],
          ttl: hour,
          maxTtl: day,
        },
      ];
    })
    .sort((a, b) => compare(a.name, b.name));
}
