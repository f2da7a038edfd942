import { z } from "zod";
import { FileName, FilePath, Identifier, KubernetesName } from "./values.ts";

/** The ways in which a consumer's values arrive. Each is a target of its own with its own exact names. */
export const Delivery = z
  .discriminatedUnion(
    "to",
    [
      z
        .strictObject({
          to: z.literal("compose-secrets"),
          overlay: FileName,
          beside: FileName,
          folder: FilePath,
          mount: FilePath,
        })
        .meta({ description: "Files beside a Compose overlay, mounted into the container (R40)." }),
      z
        .strictObject({ to: z.literal("vault-agent"), folder: FilePath })
        .meta({ description: "Vault Agent renders files and reloads (R41)." }),
      z
        .strictObject({ to: z.literal("env-file"), path: FilePath })
        .meta({ description: "An env-file of mode 600 (R42)." }),
      z
        .strictObject({ to: z.literal("files"), folder: FilePath })
        .meta({ description: "Files of mode 600 on a host (R45)." }),
      z
        .strictObject({ to: z.literal("kubernetes-secret"), secret: KubernetesName.optional() })
        .meta({ description: "A pushed Kubernetes Secret and a rollout (R37, R38)." }),
      z
        .strictObject({ to: z.literal("vault-secrets-operator"), secret: KubernetesName.optional() })
        .meta({ description: "Vault Secrets Operator brings it (R38)." }),
      z.strictObject({ to: z.literal("railway"), project: Identifier, service: Identifier }),
      z.strictObject({ to: z.literal("fly"), app: Identifier }),
      z.strictObject({ to: z.literal("render"), service: Identifier }),
      z.strictObject({ to: z.literal("heroku"), app: Identifier }),
      z
        .strictObject({ to: z.literal("github-actions"), environment: Identifier.optional() })
        .meta({ description: "A secret of the system's repository or of its environment (R44)." }),
    ],
    {
      error:
        "write to: compose-secrets, vault-agent, env-file, files, kubernetes-secret, vault-secrets-operator, " +
        "railway, fly, render, heroku or github-actions",
    },
  )
  .meta({ id: "Delivery" });

export type DeliveryEntry = z.infer<typeof Delivery>;
