import { setTimeout as sleep } from "node:timers/promises";
import type { AuthBackend, AuthBackendArgs } from "@pulumi/vault/authBackend.js";
import type { SecretBackendV2, SecretBackendV2Args } from "@pulumi/vault/kv/secretBackendV2.js";
import type { Mount, MountArgs } from "@pulumi/vault/mount.js";
import type { AuthBackendTune } from "@pulumi/vault/types/input.js";
import { type Vault, VaultError } from "../../../clients/vault.ts";
import { seconds, shortest } from "../durations.ts";
import {
  block,
  type Field,
  type Fields,
  flag,
  fromVault,
  isObject,
  map,
  number,
  type Properties,
  set,
  text,
  toVault,
  type Value,
} from "../fields.ts";
import { type Kind, said } from "../kind.ts";
import { entry, kind, remove } from "./entry.ts";

/** A mount as `sys/mounts/<path>` and `sys/auth/<path>` return it. */
export interface LiveMount {
  type: string;
  description: string;
  accessor: string;
  local: boolean;
  seal_wrap: boolean;
  options: Record<string, string> | null;
  config: Record<string, unknown>;
}

const mountTuning = {
  defaultLeaseTtlSeconds: number({ api: "default_lease_ttl" }),
  maxLeaseTtlSeconds: number({ api: "max_lease_ttl" }),
  // Without one Vault hides the mount: "" and "hidden" mean the same to it, but only one of them is said.
  listingVisibility: text(),
  auditNonHmacRequestKeys: set(),
  auditNonHmacResponseKeys: set(),
  passthroughRequestHeaders: set(),
  allowedResponseHeaders: set(),
} satisfies Fields<MountArgs>;

const duration: Field = text({ normal: (value) => (value === "" ? "" : shortest(seconds(value))) });

export const tune: Field = block<AuthBackendTune>({
  defaultLeaseTtl: duration,
  maxLeaseTtl: duration,
  listingVisibility: text(),
  tokenType: text({ otherwise: "default-service" }),
  auditNonHmacRequestKeys: set(),
  auditNonHmacResponseKeys: set(),
  passthroughRequestHeaders: set(),
  allowedResponseHeaders: set(),
});

export const mount = kind<Mount, MountArgs>({
  type: "vault:index/mount:Mount",
  fields: {
    path: text({ required: true, replace: true, local: true }),
    type: text({ required: true, replace: true }),
    description: text(),
    local: flag({ replace: true }),
    sealWrap: flag({ replace: true }),
    options: map({ local: true, replace: true }),
    ...mountTuning,
  },
  computed: ["accessor"],
  async create(vault, inputs) {
    const path = said(inputs, "path");
    const body = {
      type: said(inputs, "type"),
      description: inputs.description ?? "",
      local: inputs.local ?? false,
      seal_wrap: inputs.sealWrap ?? false,
      options: inputs.options ?? {},
    };
    await enable(vault, `sys/mounts/${path}`, body);
    await vault.write(`sys/mounts/${path}/tune`, tuningOf(inputs));
    return path;
  },
  async read(vault, id) {
    const live = await readMount(vault, `sys/mounts/${id}`);
    if (live === undefined) return undefined;
    return {
      path: id,
      ...describe(live),
      options: live.options ?? {},
      ...fromVault(mountTuning as Fields, live.config),
    };
  },
  async update(vault, id, inputs) {
    await vault.write(`sys/mounts/${id}/tune`, tuningOf(inputs));
  },
  delete: (vault, id) => remove(vault, `sys/mounts/${id}`),
});

export const authBackend = kind<AuthBackend, AuthBackendArgs>({
  type: "vault:index/authBackend:AuthBackend",
  fields: {
    type: text({ required: true, replace: true }),
    path: text({ replace: true, local: true }),
    description: text(),
    local: flag({ replace: true }),
    tune,
  },
  computed: ["accessor"],
  async create(vault, inputs) {
    const path = typeof inputs.path === "string" ? inputs.path : said(inputs, "type");
    await enableAuth(vault, path, said(inputs, "type"), inputs);
    return path;
  },
  async read(vault, id) {
    const live = await readMount(vault, `sys/auth/${id}`);
    if (live === undefined) return undefined;
    const { sealWrap: _, ...described } = describe(live);
    return { path: id, ...described, tune: tuneOf(live) };
  },
  update: (vault, id, inputs) => tuneAuth(vault, id, inputs),
  delete: (vault, id) => remove(vault, `sys/auth/${id}`),
});

/** Enables an authentication mount (or takes over ours) and tunes it. */
export async function enableAuth(
  vault: Vault,
  path: string,
  type: string,
  inputs: Properties,
): Promise<void> {
  await enable(vault, `sys/auth/${path}`, {
    type,
    description: inputs.description ?? "",
    local: inputs.local ?? false,
  });
  await tuneAuth(vault, path, inputs);
}

export async function tuneAuth(vault: Vault, path: string, inputs: Properties): Promise<void> {
  const block = isObject(inputs.tune) ? inputs.tune : {};
  await vault.write(`sys/auth/${path}/tune`, {
    ...toVault(tune.fields ?? {}, block),
    ...ttls(block.defaultLeaseTtl, block.maxLeaseTtl),
    description: inputs.description ?? "",
  });
}

/** The live tuning of an authentication mount as the SDK writes it: durations as text. */
export function tuneOf(live: LiveMount): Properties {
  const text = (ttl: unknown) => (typeof ttl === "number" && ttl > 0 ? shortest(ttl) : "");
  return {
    ...fromVault(tune.fields ?? {}, live.config),
    defaultLeaseTtl: text(live.config.default_lease_ttl),
    maxLeaseTtl: text(live.config.max_lease_ttl),
  };
}

/** A mount's description; undefined where nothing is mounted. */
export async function readMount(vault: Vault, path: string): Promise<LiveMount | undefined> {
  try {
    return await vault.read<LiveMount>(path);
  } catch (error) {
    if (
      error instanceof VaultError &&
      error.status === 400 &&
      /^No (auth engine|secret engine mount) at /.test(error.errors[0] ?? "")
    ) {
      return undefined;
    }
    throw error;
  }
}

export function describe(live: LiveMount) {
  return {
    type: live.type,
    description: live.description,
    local: live.local,
    sealWrap: live.seal_wrap,
    accessor: live.accessor,
  };
}

/** Mounts at a path; a mount of the same type and description is one of ours, made by a run that was killed. */
async function enable(
  vault: Vault,
  path: string,
  body: { type: string; description: Value } & Properties,
): Promise<void> {
  try {
    await vault.write(path, body);
  } catch (error) {
    if (!(error instanceof VaultError && error.status === 400)) throw error;
    const live = await readMount(vault, path);
    if (live?.type !== body.type || live.description !== body.description) throw error;
  }
}

function tuningOf(inputs: Properties): Properties {
  return {
    ...toVault(mountTuning as Fields, inputs),
    ...ttls(inputs.defaultLeaseTtlSeconds, inputs.maxLeaseTtlSeconds),
    description: inputs.description ?? "",
  };
}

/** Vault takes durations as text here; "0" puts its own default back. */
function ttls(least: unknown, most: unknown): Properties {
  const text = (ttl: unknown) => (typeof ttl === "number" ? `${ttl}s` : ttl === "" ? "0" : ttl);
  return {
    ...(least !== undefined && { default_lease_ttl: text(least) as string }),
    ...(most !== undefined && { max_lease_ttl: text(most) as string }),
  };
}

const kvConfig = entry<SecretBackendV2, SecretBackendV2Args>({
  type: "vault:kv/secretBackendV2:SecretBackendV2",
  path: ({ mount }) => `${mount}/config`,
  fields: {
    mount: text({ required: true, replace: true, local: true }),
    maxVersions: number(),
    casRequired: flag(),
    deleteVersionAfter: number(),
  },
  deletes: false,
  sent: (body) =>
    body.delete_version_after === undefined
      ? body
      : { ...body, delete_version_after: `${body.delete_version_after}s` },
  returned: (data) => ({ ...data, delete_version_after: seconds(String(data.delete_version_after ?? "0s")) }),
});

/** A new versioned engine prepares itself after its mount and refuses writes for that moment. */
export const kvBackend: Kind<Vault> = {
  ...kvConfig,
  async create(vault, inputs) {
    for (const start = Date.now(); ; await sleep(20)) {
      try {
        return await kvConfig.create(vault, inputs);
      } catch (error) {
        const preparing =
          error instanceof VaultError && error.message.includes("Upgrading from non-versioned");
        if (!preparing || Date.now() - start > 10_000) throw error;
      }
    }
  },
};
