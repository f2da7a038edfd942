import type { AwsSecret, PolicyStatement } from "../../aws.ts";
import { seconds } from "../../duration.ts";
import type { Context } from "../context.ts";
import { compare, day, ordered, physical, retiredOf } from "../context.ts";
import { databaseSecretName, loginsOf } from "../secrets.ts";
import { allow, arn, document, type Place } from "./document.ts";
import { named } from "./names.ts";

/**
 * The database users whose password Secrets Manager keeps and rotates, because an AWS service reads it there. A retired one
 * keeps its place, which nobody reads and nothing rotates.
 */
export function deriveAwsSecrets({ systems, environment }: Context, place: Place): AwsSecret[] {
  return systems
    .flatMap((system) =>
      ordered(system.databases).flatMap(([database, entry]) =>
        ordered(entry.users).flatMap(([user, userEntry]): AwsSecret[] => {
          const kept = userEntry["secrets-manager"];
          if (kept === undefined || !Object.hasOwn(entry.at, environment)) return [];
          const retired = retiredOf(userEntry, entry, system);
          // The names of their making: a renamed entry keeps its secret and its function.
          const stored = [physical(system.system, system), physical(database, entry)] as const;
          const login = physical(user, userEntry);
          const readers = retired.retired
            ? []
            : kept["read-by"].map((reader) => (reader.startsWith("arn:") ? reader : arn.role(place, reader)));
          return [
            {
              id: `${system.system}/${databaseSecretName(database, user)}`,
              name: ["keyplane", environment, ...stored, login].join("/"),
              database: `${system.system}/${database}`,
              user: login,
              memberOf: userEntry["member-of"],
              logins: loginsOf(login, "alternating"),
              function: rotatorName(place, ...stored),
              every: Math.max(1, Math.floor(seconds(userEntry.rotate?.every ?? "30d") / day)),
              readers,
              policy: document(
                allow("NamedReaders", {
                  Principal: { AWS: readers },
                  Action: ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
                  Resource: "*",
                }),
              ),
              ...retired,
            },
          ];
        }),
      ),
    )
    .sort((a, b) => compare(a.name, b.name));
}

/** Those that somebody reads, and that a function rotates. */
export function inUse(secrets: AwsSecret[]): AwsSecret[] {
  return secrets.filter(({ retired }) => retired === undefined);
}

/** The function that rotates the users of a database. */
export function rotatorName(place: Place, system: string, database: string): string {
  return named(place, "rotate", "postgres", system, database);
}

/**
 * What Secrets Manager asks of who starts or sets up a rotation, beside `secretsmanager:RotateSecret`.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
 * @param rotators ARNs of functions
 */
export function callRotators(rotators: string[]): PolicyStatement {
  return allow("CallWhatRotates", { Action: "lambda:InvokeFunction", Resource: rotators });
}
