import { ofType } from "../resource.ts";
import type { Resource, StackRule } from "../rule.ts";
import { text } from "../value.ts";
import { humanLogins, vault } from "./types.ts";

const kindsOf = (resources: readonly Resource[], type: string) =>
  ofType(resources, type).map(({ props }) => text(props.type) ?? "");

export const platformWhole: StackRule = {
  name: "platform-whole",
  sentence:
    "A Vault has what its policies speak of: places for values, keys and databases, and a login for jobs, hosts and people.",
  severity: "high",
  fix: "Declare the mounts and logins beside the platform's policies; the model gives all of them.",
  controls: ["NIST-800-53r5/CM-8", "NIST-800-53r5/SI-12", "R7"],
  *judgeStack(resources) {
    // The stack that declares the deploy role's policy declares the platform; a part with systems alone has none of it.
    const policies = ofType(resources, vault.policy);
    if (!policies.some(({ props }) => text(props.name) === "keyplane.deploy")) return;
    const engines = kindsOf(resources, vault.mount);
    for (const kind of ["kv", "transit", "database"]) {
      if (!engines.includes(kind)) yield { message: `nothing is mounted for ${kind}` };
    }
    if (ofType(resources, vault.jwt).length === 0) yield { message: "jobs have no login" };
    const logins = kindsOf(resources, vault.auth);
    if (!logins.includes("approle")) yield { message: "hosts have no login" };
    if (!logins.some((kind) => humanLogins.includes(kind))) yield { message: "people have no login" };
    for (const [type, kind] of [
      [vault.kubernetes, "kubernetes"],
      [vault.awsClient, "aws"],
    ] as const) {
      for (const { urn } of ofType(resources, type))
        if (!logins.includes(kind)) yield { urn, message: `its login of ${kind} is not declared` };
    }
    if (ofType(resources, vault.entity).length === 0) yield { message: "no person is declared" };
    const roles = ofType(resources, vault.jwtRole).map(({ props }) => text(props.roleName));
    for (const { urn, props } of policies) {
      const name = text(props.name) ?? "";
      if (/^keyplane\.(deploy|rotate|drift|enrol)$/.test(name) && !roles.includes(name))
        yield { urn, message: `nobody logs in as ${name}` };
    }
    const keys = ofType(resources, vault.key).map(({ props }) => text(props.name));
    if (!keys.includes("keyplane.fingerprint"))
      yield { message: "there is no key that values are hashed by" };
  },
};

export const databaseConnected: StackRule = {
  name: "database-connected",
  sentence: "A database's role is of a connection that is declared with it.",
  severity: "high",
  fix: "Declare the connection that dbName names.",
  controls: ["NIST-800-53r5/CM-8", "R12"],
  *judgeStack(resources) {
    const connections = ofType(resources, vault.connection).map(({ props }) => text(props.name));
    for (const { urn, props } of ofType(resources, vault.databaseRole)) {
      if (!connections.includes(text(props.dbName))) yield { urn, message: "its connection is not declared" };
    }
  },
};
