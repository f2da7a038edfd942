import { ProviderError } from "../providers/provider.ts";
import type { Rotator, RotatorContext } from "../rotator.ts";
import { provider } from "./provider.ts";

/**
 * Access keys of object stores: a second key of the same IAM user, then the first one is made inactive and deleted
 * (providers/aws.ts). `user` is the access key's id, `password` its secret.
 *
 * Without a provider whose API makes them (a store's root user, such as MinIO's) the value is ours: see index.ts.
 */
export const s3: Rotator = {
  create: (context, current) => provider.create(checked(context), current),
  stage: (context, next, current) => provider.stage(checked(context), next, current),
  probe: (context, next, current) => provider.probe(checked(context), next, current),
  idle: (context, old, kept) => provider.idle(checked(context), old, kept),
  accepts: async (context, version) => (await provider.accepts?.(checked(context), version)) ?? true,
  ...(provider.heals !== undefined && { heals: provider.heals }),
  revoke: (context, ...given) => provider.revoke(checked(context), ...given),
  revokeLeft: async (context, kept) => provider.revokeLeft?.(checked(context), kept) ?? [],
  verify: (context, old, kept) => provider.verify(checked(context), old, kept),
  discard: async (context) => provider.discard?.(checked(context)),
};

/** The user's fields in the order in which AWS names them. */
function checked(context: RotatorContext): RotatorContext {
  const { secret } = context;
  if (secret.fields.includes("user") && secret.fields.includes("password")) {
    return { ...context, secret: { ...secret, fields: ["user", "password"] } };
  }
  throw new ProviderError(`${secret.id} is an access key: its fields are user and password`);
}
