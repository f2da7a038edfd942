import { z } from "zod";
import { As, Class, Consumer, DatabaseRotate, Idle, Probe, Template } from "./secret.ts";
import {
  Duration,
  Field,
  FileName,
  Host,
  Name,
  Port,
  perEnvironment,
  Retired,
  renamedFrom,
  Sentence,
  SqlName,
  some,
  text,
  Variable,
} from "./values.ts";

const privileges = z.enum(["select", "insert", "update", "delete", "truncate", "references"], {
  error: "write select, insert, update, delete, truncate or references",
});

const Grant = z
  .strictObject({
    schema: SqlName,
    tables: some(privileges, "name at least one privilege").optional(),
    sequences: some(
      z.enum(["usage", "select", "update"], { error: "write usage, select or update" }),
      "name at least one privilege",
    ).optional(),
    create: z
      .boolean({ error: "write true or false" })
      .optional()
      .meta({ description: "May create tables in the schema." }),
  })
  .meta({
    id: "Grant",
    description: "What members of a group may do in a schema; always with USAGE on it (R8).",
  });

const Place = z
  .strictObject({
    host: Host.optional(),
    port: Port.optional(),
    database: SqlName.optional().meta({
      description: "Name inside the server; <system>_<database> by default.",
    }),
    tls: z.enum(["disable", "verify-full"], { error: "write disable or verify-full" }).optional(),
  })
  .nullable();

const User = z
  .strictObject({
    "member-of": SqlName.meta({ description: "The group whose rights the user has." }),
    ttl: Duration.optional().meta({
      description: "A dynamic user: lifetime of its credentials, at most 1h (R12).",
    }),
    "max-ttl": Duration.optional(),
    rotate: DatabaseRotate.optional().meta({
      description: "A static user instead, with a password that rotates.",
    }),
    class: Class.optional(),
    owner: Name.optional(),
    templates: z.record(Field, Template).optional(),
    idle: Idle.optional(),
    probe: Probe.optional(),
    impact: Sentence.optional(),
    as: As.optional().meta({ description: "Short for one consumer: the service of the user's own name." }),
    files: z.record(Variable, FileName).optional(),
    consumers: z.record(Name, Consumer.nullable()).optional(),
    "secrets-manager": z
      .strictObject({
        "read-by": some(
          text(
            /^(arn:aws:iam::[0-9]{12}:role\/)?[A-Za-z0-9_+=,.@-]{1,64}$/,
            "write the exact name or ARN of an IAM role, such as titan-rds-proxy",
          ),
          "name at least one role that reads it",
        ),
      })
      .optional()
      .meta({
        description:
          "AWS Secrets Manager keeps and rotates the password of this static user, for AWS services that read it there.",
      }),
    "renamed-from": renamedFrom,
    retired: Retired.optional(),
  })
  .meta({ id: "DatabaseUser" });

export const databaseShape = {
  engine: z.literal("postgres", { error: "write postgres" }),
  description: Sentence.optional(),
  at: z.record(Name, Place).meta({ description: "The environments that have it, and where." }),
  groups: z.record(SqlName, z.strictObject({ grants: some(Grant, "name at least one grant") })),
  users: z.record(Name, User).optional(),
  "renamed-from": renamedFrom,
  retired: Retired.optional(),
};

export const Database = perEnvironment(
  databaseShape,
  "A database whose users Vault or the rotation engine makes.",
);

const plain = z.strictObject(databaseShape);
export type DatabaseEntry = z.infer<typeof plain>;
export type DatabaseUserEntry = z.infer<typeof User>;
export type GrantEntry = z.infer<typeof Grant>;
