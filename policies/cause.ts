import type { Model } from "../model/model.ts";

/** The entry of the catalogue that caused a resource. */
export interface Cause {
  /** As `applies-to` of an exception names it: titan/ledger, ada, staging. */
  entry: string;
  /** Key of its position in the catalogue. */
  place: string;
}

/**
 * Tells which entry caused a resource, from its URN: the program names resources after the model. What no entry
 * caused alone (mounts, audit devices) is the environment's.
 */
export function causesOf(model: Model): (urn: string | undefined) => Cause {
  const environment = { entry: model.environment, place: `environments/${model.environment}` };
  const byName = new Map<string, Cause>();
  const entry = (section: string, id: string): Cause => {
    const [system = "", second = "", third] = id.split("/");
    return { entry: id, place: `${section}/${system}/${third ?? second}` };
  };
  const of = ({ kind, id }: { kind: string; id: string }): Cause => {
    if (kind === "service") return entry("services", id);
    if (kind === "ci") return entry("ci", id);
    return kind === "group" ? { entry: id, place: `groups/${id}` } : environment;
  };
  for (const policy of model.policies) byName.set(`Policy ${policy.name}`, of(policy.of));
  for (const role of model.jwtRoles) byName.set(`AuthBackendRole ${role.name}`, of(role.of));
  for (const role of [...model.appRoles, ...model.kubernetesRoles]) {
    byName.set(`AuthBackendRole ${role.name}`, entry("services", role.service));
  }
  for (const { connection, id } of model.databases) {
    const cause = entry("databases", id);
    byName.set(`DatabaseCredentials ${connection}`, cause);
    byName.set(`SecretBackendConnection ${connection}-connection`, cause);
    byName.set(`Endpoint ${connection}-rotate-root`, cause);
    byName.set(`SecretBackendRole ${connection}`, cause);
  }
  for (const { key, id } of model.encryptionKeys)
    byName.set(`SecretBackendKey ${key}`, entry("encryption-keys", id));
  for (const { name } of model.people) {
    for (const noun of ["Entity", "EntityAlias"])
      byName.set(`${noun} ${name}`, { entry: name, place: `people/${name}` });
  }
  for (const { name } of model.groups) byName.set(`Group ${name}`, { entry: name, place: `groups/${name}` });

  return (urn) => {
    if (urn === undefined) return environment;
    const [type = "", name = ""] = urn.split("::").slice(2);
    const noun = type.slice(type.lastIndexOf(":") + 1);
    if (noun === "SecretBackendRole") {
      // `<connection>-<connection>.<user>`: neither holds the other's separator twice.
      const connection = model.databases.find((database) =>
        name.startsWith(`${database.connection}-`),
      )?.connection;
      return byName.get(`${noun} ${connection ?? ""}`) ?? environment;
    }
    return byName.get(`${noun} ${name}`) ?? environment;
  };
}
