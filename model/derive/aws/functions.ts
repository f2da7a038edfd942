import { createHash } from "node:crypto";
import type { AwsFunction, AwsSchedule, AwsSecret } from "../../aws.ts";
import type { Database } from "../../model.ts";
import { knownAs } from "../../shipping.ts";
import type { VaultSettings } from "../../vault.ts";
import { type Context, compare, given, hour, minute } from "../context.ts";
import type { Place } from "./document.ts";
import { named, roleNames } from "./names.ts";

/** Policy and role in Vault of a function. */
const runner = { role: "keyplane.rotate", policy: "keyplane.rotate" };

export function deriveFunctions(
  { block }: Context,
  place: Place,
  { vault, databases, secrets }: { vault: VaultSettings; databases: Database[]; secrets: AwsSecret[] },
): AwsFunction[] {
  const { aws } = block;
  const common = {
    memory: 256,
    ...given(
      "network",
      aws?.network && {
        subnets: aws.network.subnets,
        securityGroups: aws.network["security-groups"],
      },
    ),
  };
  const variables = (role: string) => ({
    KEYPLANE_VAULT: JSON.stringify({
      address: vault.address,
      mount: vault.auth.aws,
      role,
      serverId: serverId(vault),
      ...given("ca", block.vault?.certificate),
    }),
    // The emulator's functions find it by this; real ones find Amazon's certificates of databases by that.
    ...(aws?.emulator === undefined
      ? { NODE_EXTRA_CA_CERTS: "/var/runtime/ca-cert.pem" }
      : { AWS_ENDPOINT_URL: aws.emulator }),
  });
  const due = named(place, "rotate", "due");
  return [
    {
      name: due,
      code: "rotate-due" as const,
      of: place.environment,
      purpose: "Rotates what is due, as far as it goes now.",
      role: due,
      logGroup: functionLog(due),
      timeout: 15 * minute,
      ...common,
      // What the run before has not ended is no work for a second one.
      ...given("concurrency", reserved(aws?.concurrency ?? 1)),
      variables: { ...variables(runner.role), KEYPLANE_ENVIRONMENT: place.environment },
      vault: runner,
      calledBy: "schedule" as const,
    },
    ...databases
      .filter(({ id }) => secrets.some(({ database }) => database === id))
      .map((database): AwsFunction => {
        const name = secrets.find((secret) => secret.database === database.id)?.function ?? "";
        const own = `${database.connection}.keyplane.rotate-postgres`;
        const id = knownAs(database.connection);
        const { host, port, database: inside, tls, rotation } = database;
        return {
          name,
          code: "rotate-postgres",
          of: database.id,
          purpose: `Rotates the users of ${id} that Secrets Manager keeps.`,
          role: name,
          logGroup: functionLog(name),
          timeout: minute,
          ...common,
          // Users of one database may be due in the same hour: their steps do not wait for one another.
          ...given("concurrency", reserved(aws?.concurrency ?? "none")),
          variables: {
            ...variables(own),
            // Its users stand beside the code: there may be more than variables have room for.
            KEYPLANE_DATABASE: JSON.stringify({ id, host, port, database: inside, tls, rotation }),
          },
          vault: { role: own, policy: own },
          calledBy: "secrets-manager",
        };
      }),
  ].sort((a, b) => compare(a.name, b.name));
}

/** The log group that Lambda writes a function's log to. */
export function functionLog(name: string): string {
  return `/aws/lambda/${name}`;
}

function reserved(concurrency: number | "none"): number | undefined {
  return concurrency === "none" ? undefined : concurrency;
}

/** What Vault demands in a login's signed header, so that a login to another server is worth nothing here. */
export function serverId({ address }: VaultSettings): string {
  return new URL(address).host;
}

/**
 * What is due is looked for every quarter of an hour. Environments begin at minutes of their own, and each run at a
 * random one of five.
 */
export function deriveSchedules(place: Place, functions: AwsFunction[]): AwsSchedule[] {
  return functions
    .filter(({ calledBy }) => calledBy === "schedule")
    .map(({ name }) => {
      const first = createHash("sha256").update(`${place.account}/${name}`).digest().readUInt32BE() % 15;
      return {
        name,
        function: name,
        role: roleNames(place).scheduler,
        expression: `cron(${[0, 15, 30, 45].map((quarter) => first + quarter).join(",")} * * * ? *)`,
        window: 5,
        attempts: 3,
        oldest: hour,
      };
    });
}
