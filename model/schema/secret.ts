import { z } from "zod";
import {
  BaseUrl,
  Duration,
  Field,
  FileName,
  FilePath,
  Name,
  perEnvironment,
  Retired,
  renamedFrom,
  Sentence,
  Size,
  Stored,
  some,
  Variable,
} from "./values.ts";

export const secretKinds = [
  "hmac",
  "api-key",
  "token",
  "password",
  "nats",
  "jwt",
  "fernet",
  "s3",
  "webhook",
  "file",
  "certificate",
] as const;

export const Class = z.enum(["critical", "sensitive"], { error: "write critical or sensitive" });

const by = z.enum(["machine", "hand"], { error: "write machine or hand" });
const onCompromise = z
  .literal(true, { error: "write true, or leave it out: every secret can be rotated on compromise" })
  .optional();

export const Rotate = z
  .strictObject({
    by: by.optional().meta({ description: "machine by default where the kind has a generator, else hand." }),
    every: Duration.optional(),
    overlap: Duration.optional().meta({ description: "How long the old value stays accepted (R27)." }),
    "on-compromise": onCompromise.meta({
      description: "Instead of a period: only an event rotates it (R20).",
    }),
  })
  .meta({ id: "Rotate" });

export const DatabaseRotate = z.strictObject({
  every: Duration.optional(),
  overlap: Duration.optional(),
  "on-compromise": onCompromise,
  method: z
    .enum(["alternating", "single"], {
      error: "write alternating (two users) or single (one user, ALTER USER)",
    })
    .meta({ description: "alternating: two users take turns (R31); single: ALTER USER … PASSWORD (R32)." }),
});

export const Idle = z
  .union(
    [
      z.strictObject({
        metric: z.string().regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/, { error: "write a metric's name" }),
      }),
      z.enum(["audit", "provider", "sessions", "sinks", "none"]),
    ],
    { error: "write audit, provider, sessions, sinks, none or { metric: NAME }" },
  )
  .meta({
    id: "Idle",
    description:
      "How the old value is seen to be unused: a counter of its use, who read it in Vault's audit, the provider's last use, " +
      "the database's sessions, or that each consumer's sinks show it to run the new value; none is an acknowledged gap.",
  });

export const Probe = z
  .union(
    [
      z.strictObject({ log: Sentence }),
      z.strictObject({
        http: z
          .string()
          .regex(/^(https?:\/\/[^\s@]+|\/[^\s]*)$/, { error: "write a path such as /health", abort: true })
          .refine((http) => http.startsWith("/") || URL.canParse(http), {
            error: "write a path such as /health",
          }),
      }),
      z.strictObject({
        command: z.array(z.string().min(1)).min(1, { error: "write the program and its arguments" }),
      }),
    ],
    { error: "write { log: TEXT }, { http: PATH } or { command: [PROGRAM, ARGUMENT] }" },
  )
  .meta({ id: "Probe", description: "What shows that the new value works, before the old one goes (R46)." });

export const Generator = z
  .strictObject({
    bytes: Size.optional().meta({ description: "Random bytes; at least 32B (R65)." }),
    encoding: z
      .enum(["hex", "base64", "base64url", "fernet", "es256"], {
        error: "write hex, base64, base64url, fernet or es256",
      })
      .optional(),
  })
  .meta({ id: "Generator" });

export const As = z
  .record(Variable, Field)
  .meta({ description: "Variable → field. A variable that ends in _FILE gets the path of a file (R39)." });

export const Consumer = z
  .strictObject({
    role: z
      .enum(["listener", "signer", "reader"], { error: "write listener, signer or reader" })
      .optional()
      .meta({ description: "Listeners get a new value first, signers last (R29)." }),
    as: As.optional(),
    files: z
      .record(Variable, FileName)
      .optional()
      .meta({ description: "File names of _FILE variables, where they differ from the variable's own." }),
  })
  .meta({ id: "Consumer" });

export const Template = z
  .string({ error: 'write a template such as "postgresql://{user}:{password}@{host}/db"' })
  .max(500, { error: "write at most 500 characters" })
  .regex(/^[^\p{Cc}]*$/u, { error: "write it on one line, without control characters" });

export const Nats = z
  .strictObject({
    servers: z
      .array(
        z.string().regex(/^(nats|tls):\/\/[a-z0-9.-]+:[0-9]{1,5}$/i, { error: "write nats://HOST:PORT" }),
        { error: "write [nats://HOST:PORT]" },
      )
      .min(1, { error: "name at least one server" }),
    "users-file": FilePath.meta({
      description: "The file of users that the server's configuration includes.",
    }),
    "pid-file": FilePath.meta({ description: "The file with the server's process id; it gets SIGHUP." }),
    monitor: BaseUrl.optional().meta({ description: "Its monitoring, which lists connections by user." }),
  })
  .meta({ id: "Nats", description: "The NATS server whose users the secret holds (R33)." });

export const secretShape = {
  class: Class,
  kind: z.enum(secretKinds, { error: `write one of ${secretKinds.join(", ")}` }),
  owner: Name.optional().meta({ description: "The system's owner by default (R71)." }),
  description: Sentence.optional(),
  provider: Name.optional().meta({ description: "Who issues it; its bound applies (R19)." }),
  fields: some(Field, "name at least one field")
    .optional()
    .meta({ description: "Rotated together; the kind's own by default." }),
  templates: z
    .record(Field, Template)
    .optional()
    .meta({ description: "Assembled fields over the others in braces." }),
  generator: Generator.optional(),
  rotate: Rotate,
  idle: Idle.optional(),
  probe: Probe.optional(),
  impact: Sentence.optional().meta({ description: "What a rotation does to people (R49)." }),
  nats: Nats.optional(),
  stored: Stored.optional(),
  consumers: z.record(Name, Consumer.nullable()).optional(),
  "renamed-from": renamedFrom,
  retired: Retired.optional(),
};

export const Secret = perEnvironment(secretShape, "A secret: declared once, delivered to each consumer.");

const plain = z.strictObject(secretShape);
export type SecretEntry = z.infer<typeof plain>;
export type ConsumerEntry = z.infer<typeof Consumer>;
