import { z } from "zod";
import { Database } from "./database.ts";
import { Delivery } from "./delivery.ts";
import { Secret } from "./secret.ts";
import {
  BaseUrl,
  Cidr,
  Duration,
  Exceptions,
  FileName,
  FilePath,
  KubernetesName,
  LinePattern,
  list,
  Name,
  perEnvironment,
  Repository,
  Retired,
  renamedFrom,
  Sentence,
  Stored,
  some,
  UrlPath,
  Variable,
} from "./values.ts";

const serviceShape = {
  "runs-on": z.enum(["compose", "kubernetes", "supervisor", "paas"], {
    error: "write compose, kubernetes, supervisor or paas",
  }),
  description: Sentence.optional(),
  user: z
    .union([z.int().min(0).max(65535), z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/)], {
      error: "write a numeric uid from 0 to 65535 or a user name such as svc_rec",
    })
    .optional()
    .meta({ description: "Owner of the rendered files (R45)." }),
  reload: z
    .union(
      [
        z.enum(["restart", "watch"]),
        z.strictObject({
          signal: z.enum(["SIGHUP", "SIGUSR1", "SIGUSR2"], { error: "write SIGHUP, SIGUSR1 or SIGUSR2" }),
        }),
      ],
      { error: "write restart, watch or { signal: SIGHUP }" },
    )
    .meta({ description: "How it takes a new value (R35)." }),
  settles: Duration.optional().meta({
    description:
      "How long it takes at most to run a new value, where nobody can see which one it runs: at most 30m; by default 6m, since Vault Agent looks at a KV value every 5.",
  }),
  kubernetes: z.strictObject({ namespace: KubernetesName, "service-account": KubernetesName }).optional(),
  cidrs: some(Cidr, "name at least one range")
    .optional()
    .meta({ description: "Where its hosts log in from; the environment's by default." }),
  deliver: some(Delivery, "name at least one way")
    .optional()
    .meta({ description: "How values arrive; the platform's usual way by default." }),
  observe: z
    .union(
      [
        z.strictObject({
          instances: some(BaseUrl, "name at least one instance").optional().meta({
            description: "Base URL of each of its instances; probes with a path go to all of them.",
          }),
          metrics: UrlPath.optional().meta({ description: "Prometheus metrics of each instance." }),
          log: FilePath.optional().meta({ description: "Its log on the host where rotations run." }),
          pattern: LinePattern.optional().meta({
            description: "Lines of its log that are errors, where the usual words do not tell (R48).",
          }),
        }),
        z.literal("none"),
      ],
      { error: "write { instances: [URL] }, { log: PATH } or none" },
    )
    .optional()
    .meta({
      description:
        "Where a rotation sees how it is (R46, R48); none is an acknowledged gap: probes are not asked of it.",
    }),
  "renamed-from": renamedFrom,
  retired: Retired.optional(),
};

const ciShape = {
  workflow: FileName.meta({ description: "File in .github/workflows of the system's repository." }),
  environments: some(Name, "name at least one environment")
    .optional()
    .meta({ description: "All by default." }),
  reads: list(Name).meta({ description: "Secrets it may read: said, never inferred." }),
  as: z
    .record(
      Variable,
      z.string({ error: "write SECRET.FIELD" }).regex(/^[a-z][a-z0-9_-]*\.[a-z][a-z0-9-]*$/, {
        error: "write SECRET.FIELD, such as grafana-admin.password",
      }),
    )
    .optional(),
  deliver: some(Delivery, "name at least one way").optional(),
  ttl: Duration.optional().meta({ description: "Lifetime of its token, at most 1h; 10m by default." }),
};

const Scalar = z
  .union(
    [
      z
        .string()
        .max(500)
        .regex(/^[^\p{Cc}]*$/u),
      z.number(),
      z.boolean(),
    ],
    { error: "write a text of one line, a number, true or false" },
  )
  .meta({ id: "SettingValue" });

const settingShape = {
  value: Scalar,
  class: z.enum(["plain", "sensitive"], { error: "write plain or sensitive" }).optional(),
  description: Sentence.optional(),
  services: some(Name, "name at least one service")
    .optional()
    .meta({ description: "Who gets it; all of the system's by default." }),
};

const encryptionKeyShape = {
  description: Sentence.optional(),
  owner: Name.optional(),
  rotate: z.strictObject({ every: Duration }).meta({ description: "At most 90d (R17)." }),
  retain: Duration.meta({ description: "How long an old version still decrypts: at least 30d (R22)." }),
  consumers: z
    .record(
      Name,
      some(
        z.enum(["encrypt", "decrypt", "rewrap"], { error: "write encrypt, decrypt or rewrap" }),
        "name at least one operation",
      ),
    )
    .optional(),
  stored: Stored.optional(),
  "renamed-from": renamedFrom,
  retired: Retired.optional(),
};

export const System = z
  .strictObject({
    system: Name,
    owner: Name.meta({ description: "The person who answers for its secrets (R71)." }),
    description: Sentence.optional(),
    part: Name.optional().meta({
      description: "The stack that builds it, where the environment is built in parts.",
    }),
    repository: Repository.optional(),
    ci: z.record(Name, perEnvironment(ciShape, "A CI job, which logs in with GitHub OIDC (R11).")).optional(),
    services: z.record(Name, perEnvironment(serviceShape, "A process that reads secrets.")).optional(),
    settings: z
      .record(
        Variable,
        z.union([Scalar, perEnvironment(settingShape, "A setting that is not a secret.")], {
          error: "write a text, a number, true, false or { value: … }",
        }),
      )
      .optional()
      .meta({
        description: "Defaults and toggles: the Git bootstrap holds them beside vault: references (R3).",
      }),
    secrets: z.record(Name, Secret).optional(),
    databases: z.record(Name, Database).optional(),
    "encryption-keys": z
      .record(Name, perEnvironment(encryptionKeyShape, "A transit key: encrypts without being seen."))
      .optional(),
    exceptions: Exceptions,
    "renamed-from": renamedFrom,
    retired: Retired.optional(),
  })
  .meta({ id: "System" });

export type System = z.infer<typeof System>;
const service = z.strictObject(serviceShape);
export type ServiceEntry = z.infer<typeof service>;
const encryptionKey = z.strictObject(encryptionKeyShape);
export type EncryptionKeyEntry = z.infer<typeof encryptionKey>;
const setting = z.strictObject(settingShape);
export type SettingEntry = z.infer<typeof setting>;
