import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database, Secret } from "../../model/model.ts";
import type { Policy } from "../../model/vault.ts";
import { type DatabaseServer, startDatabaseServer } from "../operations/rotation/postgres-server.ts";
import { AwsPlatform, type DatabaseValue } from "./platform.ts";

/** Postgres, Vault and the emulator, with the function that rotates users of titan's ledger. */
export interface RotatedUsers {
  server: DatabaseServer;
  aws: AwsPlatform;
  database: Database;
  /** Of the catalogue, for `server.query`. */
  like: Secret;
  /** ARN of the function, and of the role that it has. */
  rotator: string;
  role: string;
  /** Its variables. */
  env: Record<string, string>;
  /** A secret of its own without a value: its name, ARN and logins. */
  user(): Promise<{ name: string; arn: string; logins: string[] }>;
  /** The SQLSTATE with which Postgres refuses a value; undefined where it gets in. */
  refusal(value: DatabaseValue | undefined): Promise<string | undefined>;
}

/** So many users are known to the function; a test takes its own. */
const users = 200;

export async function startRotatedUsers(t: { after(end: () => Promise<void>): void }): Promise<RotatedUsers> {
  const server = await startDatabaseServer(t, { only: ["vault", "postgres", "aws"] });
  const folder = await mkdtemp(join(tmpdir(), "keyplane-lambdas-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const aws = new AwsPlatform(server.services, server.root, folder);
  await aws.trustAws();
  const like = server.secret("titan/ledger-titan-brain");
  const database = server.database(like);
  const role = await aws.role("keyplane-rotate-postgres", {
    actions: ["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"].map(
      (action) => `secretsmanager:${action}`,
    ),
    resource: `arn:aws:secretsmanager:${aws.region}:${aws.account}:secret:keyplane/local/${database.id}/*`,
  });
  await aws.vaultRole("keyplane.rotate-postgres", role, [usersPolicy(database)]);
  const nameOf = (user: string) => `keyplane/local/${database.id}/${user}`;
  const env = {
    KEYPLANE_VAULT: aws.vaultAccess("keyplane.rotate-postgres"),
    KEYPLANE_DATABASE: JSON.stringify({
      ...{ id: database.id, host: database.host, port: database.port, database: database.database },
      ...{
        tls: "disable",
        rotation: database.rotation,
        groups: database.groups.map(({ name }) => ({ name })),
      },
      users: Object.fromEntries(
        Array.from({ length: users }, (_, index) => {
          const user = `relay-${index}`;
          return [
            nameOf(user),
            { user, memberOf: like.databaseUser?.memberOf, logins: [`relay_${index}_a`, `relay_${index}_b`] },
          ];
        }),
      ),
    }),
  };
  const rotator = await aws.function("rotate-postgres", { role, env });
  let taken = 0;
  return {
    server,
    aws,
    database,
    like,
    rotator,
    role,
    env,
    async user() {
      const index = taken++;
      const name = nameOf(`relay-${index}`);
      return { name, arn: await aws.secret(name, rotator), logins: [`relay_${index}_a`, `relay_${index}_b`] };
    },
    async refusal(value) {
      if (value === undefined) return "no value";
      return server.refusal(like, { user: value.username, password: value.password });
    },
  };
}

/** What the function's role may do in Vault: make a login of the rotation role, and end it. */
export function usersPolicy({ rotation }: Pick<Database, "rotation">): Policy {
  return {
    name: "keyplane.rotate-postgres",
    purpose: "Manages static users with short logins.",
    of: { kind: "platform", id: "keyplane.rotate-postgres" },
    rules: [
      { path: `database/creds/${rotation.role}`, capabilities: ["read"] },
      { path: `sys/leases/revoke/database/creds/${rotation.role}/+`, capabilities: ["update"] },
      { path: "sys/leases/renew", capabilities: ["update"] },
    ],
  };
}
