import { z } from "zod";
import {
  AgeRecipient,
  BaseUrl,
  Branch,
  Certificate,
  Cidr,
  Duration,
  Email,
  Exceptions,
  FilePath,
  Host,
  HttpsUrl,
  Identifier,
  list,
  Name,
  Port,
  Repository,
  Sentence,
  some,
  text,
} from "./values.ts";

const Person = z.strictObject({
  email: Email,
  age: AgeRecipient.optional().meta({
    description: "Public half; makes the person a recipient of the Git bootstrap (R4).",
  }),
  groups: list(Name).optional(),
});

const Group = z.strictObject({
  purpose: Sentence,
  operates: list(Name)
    .optional()
    .meta({ description: "Systems whose secrets its members may set by hand and whose versions they see." }),
  reads: list(Name).optional().meta({ description: "Systems whose secret values its members may read." }),
  audits: z
    .boolean({ error: "write true or false" })
    .optional()
    .meta({ description: "Sees configuration and metadata of every system, never a value." }),
});

const Provider = z
  .strictObject({
    name: Sentence,
    "rotate-within": Duration.optional().meta({ description: "The provider's maximum age of a key (R19)." }),
    api: z
      .boolean({ error: "write true or false" })
      .meta({ description: "Whether keys can be made and revoked by machine." }),
    adapter: z
      .enum(["rest", "openai", "bybit", "aws", "slack"], { error: "write rest, openai, bybit, aws or slack" })
      .optional()
      .meta({ description: "How its API is spoken to; rest by default; see operations/rotation/providers." }),
    rate: z
      .strictObject({
        requests: z.int().min(1, { error: "write a number of requests" }),
        per: Duration,
      })
      .optional()
      .meta({ description: "How often it may be asked." }),
  })
  .meta({ description: "Who issues keys, and what they demand of them." });

const audit = { purpose: Sentence.optional() };

const AuditDevice = z.discriminatedUnion(
  "type",
  [
    z.strictObject({ type: z.literal("file"), path: FilePath, ...audit }),
    z.strictObject({
      type: z.literal("socket"),
      address: z
        .string({ error: "write HOST:PORT" })
        .regex(/^[a-z0-9.-]+:\d+$/i, { error: "write HOST:PORT" }),
      ...audit,
    }),
    z.strictObject({ type: z.literal("syslog"), facility: Identifier, ...audit }),
  ],
  { error: "write type: file, socket or syslog" },
);

const Rate = z
  .strictObject({
    rate: z.int({ error: "write a number of requests" }).min(1, { error: "write a number of requests" }),
    per: Duration,
  })
  .meta({ description: "Requests of one client address per interval." });

const TimeOfDay = z
  .string({ error: "write a time such as 22:30" })
  .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, { error: "write a time such as 22:30 (UTC)" });

const AwsAccount = text(/^[0-9]{12}$/, 'write the account as 12 digits in quotes, such as "111111111111"');

const reservation = "write a number from 1 to 10, or none";

/** One environment: everything that differs between them. The local stack fills in what it learns at run time. */
export const Environment = z
  .strictObject({
    after: Name.optional().meta({ description: "The environment whose evidence this one waits for (R25)." }),
    parts: z
      .int({ error: "write a number from 1 to 200" })
      .min(1, { error: "write a number from 1 to 200" })
      .max(200, { error: "write a number from 1 to 200" })
      .optional()
      .meta({ description: "In how many stacks the systems are built; 1 by default." }),
    github: z
      .strictObject({
        environment: Identifier.optional(),
        branches: some(Branch, "name at least one branch").optional(),
        audience: HttpsUrl.optional(),
        issuer: HttpsUrl.optional(),
        certificate: Certificate.optional().meta({
          description: "PEM of the issuer's CA where it is not public.",
        }),
      })
      .optional(),
    vault: z
      .strictObject({
        address: HttpsUrl.optional().meta({
          description: "Only the environment local goes without: its stack makes the server.",
        }),
        "human-login": z.enum(["userpass", "oidc"], { error: "write userpass or oidc" }).optional(),
        oidc: z.strictObject({ "discovery-url": HttpsUrl, "client-id": Identifier }).optional(),
        kubernetes: z.strictObject({ host: HttpsUrl, certificate: Certificate.optional() }).optional(),
        audit: z
          .record(Name, AuditDevice)
          .optional()
          .meta({ description: "At least two, on separate failure domains." }),
        cidrs: some(Cidr, "name at least one range")
          .optional()
          .meta({ description: "Where hosts may log in from with AppRole." }),
        certificate: Certificate.optional().meta({
          description: "PEM of its CA where it is not public, for what logs in to it from AWS.",
        }),
        quotas: z
          .strictObject({
            global: Rate.optional(),
            human: Rate.optional(),
            github: Rate.optional(),
            approle: Rate.optional(),
          })
          .optional(),
        namespace: z
          .never({ error: "namespaces are of Vault Enterprise and the name is reserved: remove it" })
          .optional(),
      })
      .optional(),
    postgres: z
      .strictObject({ host: Host, port: Port.optional() })
      .optional()
      .meta({ description: "Server of the databases that name no host of their own." }),
    providers: z
      .record(
        Name,
        z.strictObject({
          address: BaseUrl.meta({ description: "Base URL of its API." }),
          credential: z
            .string({ error: "write SYSTEM/SECRET" })
            .regex(/^[a-z][a-z0-9_-]*\/[a-z][a-z0-9_-]*$/, { error: "write SYSTEM/SECRET" })
            .optional()
            .meta({ description: "The secret that its API is called with; each key itself by default." }),
        }),
      )
      .optional()
      .meta({ description: "Where a provider with an API is reached." }),
    rotation: z
      .strictObject({
        concurrent: z
          .strictObject({
            "per-service": z.int().min(1, { error: "write a number from 1" }).optional(),
            total: z.int().min(1, { error: "write a number from 1" }).optional(),
          })
          .optional()
          .meta({ description: "Rotations under way at once; 1 for each service and 8 in all by default." }),
        jitter: Duration.optional().meta({ description: "Due dates are spread over it; 1h by default." }),
        blackouts: z
          .array(
            z.strictObject({
              days: some(
                z.enum(["sun", "mon", "tue", "wed", "thu", "fri", "sat"], { error: "write mon, tue, …" }),
                "name at least one day",
              ).optional(),
              from: TimeOfDay,
              to: TimeOfDay,
              reason: Sentence,
            }),
          )
          .optional()
          .meta({
            description: "Times (UTC) in which no scheduled rotation begins; compromise does not wait.",
          }),
        watch: Duration.optional().meta({
          description: "How long error rates are watched after the switch (R48); 5m by default, 2s locally.",
        }),
        evidence: Duration.optional().meta({
          description:
            "How long a healthy rotation here lets the next environment follow (R25); 14d by default.",
        }),
      })
      .optional(),
    aws: z
      .strictObject({
        account: AwsAccount,
        region: z
          .string({ error: "write one region such as eu-west-1; lists of regions are reserved" })
          .regex(/^[a-z]{2}(-[a-z]+)+-[0-9]$/, { error: "write one region such as eu-west-1" }),
        people: z.strictObject({ account: AwsAccount }).optional().meta({
          description:
            "The account whose IAM users people are; the environment's own by default. In another one somebody makes their group by hand: infra/README.md.",
        }),
        network: z
          .strictObject({
            subnets: some(
              text(/^subnet-[0-9a-f]{8,17}$/, "write the id of a subnet, such as subnet-0a1b2c3d4e5f60718"),
              "name at least one subnet",
            ),
            "security-groups": some(
              text(/^sg-[0-9a-f]{8,17}$/, "write the id of a security group, such as sg-0a1b2c3d4e5f60718"),
              "name at least one security group",
            ),
          })
          .optional()
          .meta({ description: "Where functions run, from which Vault and the databases are reached." }),
        concurrency: z
          .union(
            [
              z.int({ error: reservation }).min(1, { error: reservation }).max(10, { error: reservation }),
              z.literal("none"),
            ],
            { error: reservation },
          )
          .optional()
          .meta({
            description:
              "How many runs of a function are reserved and possible at once, or none; 1 for the runner alone by default. " +
              "AWS refuses every reservation that leaves an account fewer than 100 (of a new one: 10) unreserved.",
          }),
        trail: z.strictObject({ "object-lock": Duration.optional() }).optional().meta({
          description: "For how long nobody, not even the root user, can delete a file of the trail.",
        }),
        state: z
          .strictObject({
            bucket: text(
              /^[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]$/,
              "write the name of a bucket, such as acme-keyplane-state-staging",
            ),
          })
          .optional()
          .meta({
            description:
              "The bucket that Pulumi keeps the environment's state in, which is there before its first update: " +
              "deploy writes there, drift reads.",
          }),
        emulator: BaseUrl.optional().meta({
          description: "Only of the environment local: its stack fills in where the emulator is.",
        }),
      })
      .optional(),
  })
  .meta({ id: "Environment" });

export const Organization = z
  .strictObject({
    organization: Name,
    platform: z
      .strictObject({ repository: Repository })
      .meta({ description: "The repository whose CI deploys this stack." }),
    people: z.record(Name, Person),
    administrators: list(Name).meta({ description: "At least two people, by name (R59)." }),
    contacts: z.strictObject({ security: Email, "on-call": Email }).meta({ description: "R71." }),
    groups: z.record(Name, Group).optional(),
    providers: z.record(Name, Provider).optional(),
    environments: z.record(Name, Environment.nullable()),
    exceptions: Exceptions,
  })
  .meta({ id: "Organization" });

export type Organization = z.infer<typeof Organization>;
export type EnvironmentBlock = z.infer<typeof Environment>;
