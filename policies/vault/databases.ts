import { ofType } from "../resource.ts";
import type { Props, ResourceRule, StackRule } from "../rule.ts";
import { bounded, record, seconds, text, texts } from "../value.ts";
import { aclOf } from "./acl-policy.ts";
import { vault } from "./types.ts";

const hour = 3600;

export const databaseTtl: ResourceRule = {
  name: "database-ttl",
  sentence: "A dynamic database user lives for an hour at most.",
  severity: "critical",
  fix: "Set defaultTtl and maxTtl to at most 3600.",
  controls: ["NIST-800-53r5/AC-2(2)", "OWASP-Secrets/2.7.4-expiration", "R12"],
  types: [vault.databaseRole],
  *judge({ props }) {
    for (const name of ["defaultTtl", "maxTtl"]) {
      if (!bounded(props[name], hour)) yield `${name} is not between 1 and ${hour} s`;
    }
    if ((seconds(props.defaultTtl) ?? 0) > (seconds(props.maxTtl) ?? 0)) yield "defaultTtl is over maxTtl";
  },
};

/**
 * The calls of the functions that make a user of one group for an hour at most, move its end, and block, end and drop it
 * (operations/database/user-functions.ts): as they are, with nothing after them. In other words the statements are
 * judged one by one.
 */
const createUser =
  /^SELECT keyplane\.create_user\('\{\{name\}\}', '\{\{password\}\}', '\{\{expiration\}\}', '([^']+)'\)$/;
const extendUser =
  /^(SELECT keyplane\.extend_user\('\{\{name\}\}', '\{\{expiration\}\}'\)|ALTER ROLE "\{\{name\}\}" VALID UNTIL '\{\{expiration\}\}')$/;
const dropUser = /^SELECT keyplane\.drop_user\('\{\{name\}\}', '([^']+)'\)$/;
/** The same without the functions: one statement, and nothing that it could not say. */
const createRole =
  /^CREATE ROLE "\{\{name\}\}" (?:WITH )?LOGIN PASSWORD '\{\{password\}\}' VALID UNTIL '\{\{expiration\}\}' IN ROLE "([^"]+)";?$/i;
/** Roles that Postgres, or who hosts it, has made: an administrator's, or one that sees everybody's data. */
const ofServer =
  /^(postgres|root|admin|pg_\w+|rds\w+|azure\w+|cloudsql\w+|alloydb\w+|neon_\w+|supabase_\w+|service_role|doadmin|avnadmin|tsdbadmin)$/i;

export const databaseGroupMembership: ResourceRule = {
  name: "database-group-membership",
  sentence: "A dynamic database user gets its rights by joining one group, and ends by itself.",
  severity: "high",
  fix: "Write SELECT keyplane.create_user('{{name}}', '{{password}}', '{{expiration}}', 'group') as the one creation statement.",
  controls: [
    "NIST-800-53r5/AC-2(2)",
    "NIST-800-53r5/AC-3(7)",
    "NIST-800-53r5/AC-6",
    "OWASP-Secrets/2.3-access-control",
    "R8",
    "R12",
  ],
  types: [vault.databaseRole],
  *judge({ props }) {
    const statements = texts(props.creationStatements);
    if (statements.length !== 1) yield `${statements.length} creation statements, where one makes the user`;
    const creation = statements.join("; ");
    if (!extendUser.test(texts(props.renewStatements).join("; ")))
      yield "a renewal does not, or does more than, move the user's end";
    const group = (createUser.exec(creation) ?? createRole.exec(creation))?.[1];
    if (group === undefined) {
      yield* astray(creation);
      return;
    }
    if (ofServer.test(group)) yield "the user joins a group that the server itself has";
    // The rotation's own group makes users and drops them: nobody else joins it.
    if (/^keyplane_/i.test(group) && !text(props.name)?.endsWith(".keyplane.rotate"))
      yield "the user joins a group of the platform's own";
  },
};

/** Why a creation is none that is known. */
function* astray(creation: string): Generator<string> {
  const wrong: string[] = [];
  if (!/\bIN ROLE "[^"]+"\s*;?\s*$/i.test(creation))
    wrong.push("the user joins no group, or does more after it");
  for (const [, group = ""] of creation.matchAll(/\bIN ROLE "([^"]+)"/gi)) {
    if (ofServer.test(group)) wrong.push("the user joins a group that the server itself has");
  }
  if (/\bGRANT\b/i.test(creation))
    wrong.push("rights are granted to each user: slow, and it fails near 2,400 users");
  if (!/\bVALID UNTIL '\{\{expiration\}\}'/i.test(creation))
    wrong.push("the user's password does not end with the lease");
  if (!creation.includes("{{name}}") || !creation.includes("{{password}}"))
    wrong.push("the name or the password is not Vault's");
  if (wrong.length === 0) wrong.push("the creation does more than make one user of one group");
  yield* wrong;
}

const powers = /\b(SUPERUSER|CREATEROLE|CREATEDB|REPLICATION|BYPASSRLS|ADMIN)\b/i;

export const databaseNoSuperuser: ResourceRule = {
  name: "database-no-superuser",
  sentence: "No dynamic database user is a superuser or can make itself one.",
  severity: "critical",
  fix: "Take SUPERUSER, CREATEROLE, CREATEDB, REPLICATION, BYPASSRLS and ADMIN out of the creation statements.",
  controls: ["NIST-800-53r5/AC-6(5)", "OWASP-Secrets/2.3-access-control", "R8"],
  types: [vault.databaseRole],
  *judge({ props }) {
    const statements = texts(props.creationStatements);
    if (statements.length === 0) yield "there is no creation statement: the database's own default applies";
    for (const statement of statements) {
      const power = powers.exec(statement)?.[1];
      if (power !== undefined) yield `a creation statement gives ${power.toUpperCase()}`;
    }
  },
};

export const databaseRevocation: ResourceRule = {
  name: "database-revocation",
  sentence: "When a lease ends, the user can no longer log in, its sessions end and it is dropped.",
  severity: "critical",
  fix: "Write SELECT keyplane.drop_user('{{name}}', 'group'), or NOLOGIN, pg_terminate_backend and DROP ROLE, in this order.",
  controls: ["NIST-800-53r5/AC-12", "NIST-800-53r5/AC-2(3)", "OWASP-Secrets/2.7.3-revocation", "R12", "R47"],
  types: [vault.databaseRole],
  *judge({ props }) {
    const statements = texts(props.revocationStatements);
    const revocation = statements.join("; ");
    if (revocation === "") {
      yield "there are no revocation statements: open sessions go on";
      return;
    }
    // Vault runs each in a transaction of its own: what one statement does happens as a whole.
    if (statements.length !== 1) yield `${statements.length} statements, where one does it as a whole`;
    const group = dropUser.exec(revocation)?.[1];
    if (group !== undefined) {
      const joined = createUser.exec(texts(props.creationStatements).join("; "))?.[1];
      if (joined !== undefined && joined !== group)
        yield "the user is dropped from a group that it does not join";
      return;
    }
    const found = revocation
      .split(";")
      .map((statement) => statement.trim())
      .filter((statement) => statement !== "")
      .map((statement) => steps.findIndex(({ form }) => form.test(statement)));
    if (found.includes(-1)) yield "a statement does something else";
    const needed = steps.flatMap(({ lacks }, step) => (lacks === undefined ? [] : [{ lacks, step }]));
    for (const { lacks, step } of needed) if (!found.includes(step)) yield lacks;
    const known = found.filter((step) => step >= 0);
    if (known.some((step, index) => step < (known[index - 1] ?? 0)))
      yield "the statements are not in the order block, end, drop";
  },
};

/** What a revocation says, word by word and in this order; what was the user's own may be given away before it goes. */
const steps: readonly { form: RegExp; lacks?: string }[] = [
  { form: /^ALTER ROLE "\{\{name\}\}" (WITH )?NOLOGIN$/i, lacks: "new logins are not blocked" },
  {
    form: /^SELECT pg_terminate_backend\(pid\) FROM pg_stat_activity WHERE usename = '\{\{name\}\}'$/i,
    lacks: "open sessions are not ended",
  },
  { form: /^REASSIGN OWNED BY "\{\{name\}\}" TO "[^"{]+"$/i },
  { form: /^DROP OWNED BY "\{\{name\}\}"$/i },
  { form: /^DROP (ROLE|USER) (IF EXISTS )?"\{\{name\}\}"$/i, lacks: "the user is not dropped" },
];

const server = (props: Props) => record(props.postgresql);

export const databaseTls: ResourceRule = {
  name: "database-tls",
  sentence: "Vault reaches a database over TLS and verifies its certificate and name.",
  severity: "critical",
  fix: "Write tls: verify-full for the database; without TLS only on this machine.",
  controls: ["NIST-800-53r5/SC-8", "NIST-800-53r5/SC-23", "OWASP-Secrets/2.8-tls", "R53"],
  types: [vault.connection],
  *judge({ props }) {
    const url = text(server(props).connectionUrl);
    if (url === undefined) {
      yield "connectionUrl is not set";
      return;
    }
    const [, host = "", query = ""] = /@([^/?]*)[^?]*(?:\?(.*))?$/.exec(url) ?? [];
    const mode = new URLSearchParams(query).getAll("sslmode");
    // Nothing beside it, since another parameter may say another host.
    if (isOwn(host) && query === "sslmode=disable") return;
    if (mode.length !== 1 || mode[0] !== "verify-full")
      yield `sslmode is ${mode.join(", ") || "not set"}, not verify-full`;
    if (server(props).tlsSkipVerify === true || props.insecureTls === true)
      yield "the certificate is not verified";
  },
};

/**
 * What comes after the credentials. Every other parameter overrides something before it: user, password, host, port, and
 * where certificates are. https://pkg.go.dev/github.com/jackc/pgx/v4/pgconn#ParseConfig
 */
const place = /^\w+:\/\/[^@]+@([a-z0-9._-]+|\[[0-9a-f:]+\])(:\d{1,5})?\/[\w$-]+(\?sslmode=[a-z-]+)?$/i;

function isOwn(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(host);
}

export const databaseScram: ResourceRule = {
  name: "database-scram",
  sentence: "The server gets verifiers and never a password, which its log would keep.",
  severity: "high",
  fix: "Set postgresql.passwordAuthentication to scram-sha-256.",
  controls: ["NIST-800-53r5/IA-5(1)", "NIST-800-53r5/SC-28", "OWASP-Secrets/2.6-auditing", "R54"],
  types: [vault.connection],
  *judge({ props }) {
    if (server(props).passwordAuthentication !== "scram-sha-256")
      yield "passwordAuthentication is not scram-sha-256";
  },
};

export const databaseConnectionNarrow: ResourceRule = {
  name: "database-connection-narrow",
  sentence:
    "A connection serves named roles at one host, as a manager of its own that is no superuser, with credentials that Vault fills in.",
  severity: "critical",
  fix: "Name allowedRoles, use {{username}} and {{password}} in the URL with no parameter but sslmode, and a manager that the platform made.",
  controls: ["NIST-800-53r5/AC-6(5)", "NIST-800-53r5/IA-5(7)", "OWASP-Secrets/2.3-access-control", "R8"],
  types: [vault.connection],
  *judge({ props }) {
    const roles = texts(props.allowedRoles);
    const name = text(props.name);
    if (name === undefined) yield "the connection has no name";
    if (!Array.isArray(props.allowedRoles)) yield "allowedRoles is not set";
    for (const role of roles) {
      if (/[*?]/.test(role) || role === "") yield "allowedRoles admits roles by a pattern";
      else if (name !== undefined && !role.startsWith(`${name}.`))
        yield `allowedRoles admits ${role}, which is not of this connection`;
    }
    const { connectionUrl, username } = server(props);
    const url = text(connectionUrl) ?? "";
    if (!/^postgres(ql)?:\/\/\{\{username\}\}:\{\{password\}\}@/.test(url))
      yield "connectionUrl does not take the credentials from Vault";
    else if (!place.test(url)) yield "connectionUrl says more than one host, one database and sslmode";
    const manager = text(username);
    if (manager === undefined) yield "username is not set";
    else if (!/^keyplane_\w+$/.test(manager)) yield `${manager} is no manager that the platform made`;
    else if (name !== undefined && manager !== managerOf(name))
      yield `${manager} is the manager of another database than ${name}`;
    if (props.verifyConnection !== true)
      yield "verifyConnection is not true: a wrong connection is only found when it is needed";
  },
};

/** As the model names it: model/derive/databases.ts. */
const managerOf = (connection: string) => `keyplane_${connection.replaceAll(".", "__").replaceAll("-", "_")}`;

export const databaseRolesAdmitted: StackRule = {
  name: "database-roles-admitted",
  sentence:
    "A database role belongs to the connection that it is named after, which admits exactly its roles.",
  severity: "high",
  fix: "Name each role connection.user and list it in the connection's allowedRoles.",
  controls: ["NIST-800-53r5/AC-3", "OWASP-Secrets/2.3-access-control", "R8", "R12"],
  *judgeStack(resources) {
    const roles = ofType(resources, vault.databaseRole);
    const names = new Map(roles.map(({ urn, props }) => [urn, text(props.name) ?? ""]));
    for (const { urn, props } of ofType(resources, vault.connection)) {
      const admitted = new Set(texts(props.allowedRoles));
      const own = roles
        .filter((role) => role.props.dbName === props.name)
        .map((role) => names.get(role.urn) ?? "");
      const lacks = own.filter((role) => !admitted.has(role));
      if (lacks.length > 0) yield { urn, message: `allowedRoles lacks ${lacks.join(", ")}` };
      const more = [...admitted].filter((role) => !own.includes(role));
      if (more.length > 0)
        yield { urn, message: `allowedRoles has ${more.join(", ")}, which nobody declares` };
    }
    for (const { urn, props } of roles) {
      const connection = text(props.dbName);
      if (connection === undefined || !(names.get(urn) ?? "").startsWith(`${connection}.`)) {
        yield { urn, message: "the role is not named after its connection" };
      }
    }
  },
};

export const databaseLoginOwn: StackRule = {
  name: "database-login-own",
  sentence: "A dynamic database user is one consumer's: nobody else's policy asks for its credentials.",
  severity: "critical",
  fix: "Declare a user of its own for each service under `users` of the database.",
  controls: [
    "NIST-800-53r5/AC-3",
    "NIST-800-53r5/AC-6",
    "OWASP-Secrets/2.3-access-control",
    "R7",
    "R8",
    "R12",
  ],
  *judgeStack(resources) {
    const consumers = ofType(resources, vault.policy).flatMap(({ urn, props }) => {
      const acl = aclOf(props);
      return acl?.holder === "consumer" ? [{ urn, name: acl.name, rules: acl.rules }] : [];
    });
    const asked = new Map<string, typeof consumers>();
    for (const consumer of consumers) {
      for (const { path } of consumer.rules) {
        if (!path.startsWith("database/creds/")) continue;
        const login = path.slice("database/creds/".length);
        asked.set(login, [...(asked.get(login) ?? []), consumer]);
      }
    }
    if (asked.size === 0) return;
    const names = new Set(consumers.map(({ name }) => name));
    for (const [login, by] of asked) {
      const [system = "", , user = ""] = login.split(".");
      // Of a service that was renamed the user may have its former name, which then is nobody's.
      const owner = `${system}.${user}`;
      for (const { urn, name } of by) {
        if (
          name !== owner &&
          (names.has(owner) || by.length > 1) &&
          !name.endsWith(".keyplane.rotate-postgres")
        )
          yield { urn, message: `"${login}" is not ${name}'s` };
      }
    }
  },
};
