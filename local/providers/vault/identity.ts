import type { Entity, EntityArgs } from "@pulumi/vault/identity/entity.js";
import type { EntityAlias, EntityAliasArgs } from "@pulumi/vault/identity/entityAlias.js";
import type { Group, GroupArgs } from "@pulumi/vault/identity/group.js";
import type {
  MfaLoginEnforcement,
  MfaLoginEnforcementArgs,
} from "@pulumi/vault/identity/mfaLoginEnforcement.js";
import type { MfaTotp, MfaTotpArgs } from "@pulumi/vault/identity/mfaTotp.js";
import type { Vault } from "../../../clients/vault.ts";
import {
  type Fields,
  flag,
  fromVault,
  map,
  number,
  type Properties,
  set,
  text,
  toVault,
  type Value,
} from "../fields.ts";
import { said } from "../kind.ts";
import { kind, remove } from "./entry.ts";

const entityFields: Fields<EntityArgs> = {
  name: text({ required: true }),
  metadata: map(),
  policies: set(),
  disabled: flag({ chosen: true }),
};

export const entity = kind<Entity, EntityArgs>({
  type: "vault:identity/entity:Entity",
  fields: entityFields,
  create: (vault, inputs) =>
    named(vault, "identity/entity", said(inputs, "name"), toVault(entityFields as Fields, inputs)),
  ...byId("identity/entity", entityFields as Fields),
});

const aliasFields: Fields<EntityAliasArgs> = {
  name: text({ required: true, replace: true }),
  mountAccessor: text({ required: true, replace: true }),
  canonicalId: text({ required: true, replace: true }),
  customMetadata: map(),
};

/** Writing an alias whose name and mount exist takes that alias over. */
export const entityAlias = kind<EntityAlias, EntityAliasArgs>({
  type: "vault:identity/entityAlias:EntityAlias",
  fields: aliasFields,
  async create(vault, inputs) {
    const path = "identity/entity-alias";
    const { data } = await vault.write<{ id: string } | undefined>(
      path,
      toVault(aliasFields as Fields, inputs),
    );
    // Of one that is there as it should be, as a killed run may leave it, Vault answers nothing.
    const id = data?.id ?? (await aliasOf(vault, inputs));
    if (id === undefined) throw new Error(`${path}: Vault has lost what it has just accepted`);
    return id;
  },
  ...byId("identity/entity-alias", aliasFields as Fields),
});

/** The id of the alias that an entity has at a mount: it has one at most. */
async function aliasOf(vault: Vault, inputs: Properties): Promise<string | undefined> {
  const entity = await vault.read<{ aliases: { id: string; mount_accessor: string }[] | null }>(
    `identity/entity/id/${said(inputs, "canonicalId")}`,
  );
  return entity?.aliases?.find((alias) => alias.mount_accessor === said(inputs, "mountAccessor"))?.id;
}

const groupFields: Fields<GroupArgs> = {
  name: text({ required: true }),
  type: text({ otherwise: "internal", replace: true }),
  policies: set(),
  memberEntityIds: set(),
  memberGroupIds: set(),
  metadata: map(),
};

export const group = kind<Group, GroupArgs>({
  type: "vault:identity/group:Group",
  fields: groupFields,
  create: (vault, inputs) =>
    named(vault, "identity/group", said(inputs, "name"), toVault(groupFields as Fields, inputs)),
  ...byId("identity/group", groupFields as Fields),
});

const totpFields: Fields<MfaTotpArgs> = {
  issuer: text({ required: true }),
  algorithm: text({ otherwise: "SHA1" }),
  digits: number({ otherwise: 6 }),
  keySize: number({ otherwise: 20 }),
  maxValidationAttempts: number({ otherwise: 5 }),
  period: number({ otherwise: 30 }),
  qrSize: number({ otherwise: 200 }),
  skew: number({ otherwise: 1 }),
};

const totpMethods = "identity/mfa/method/totp";

/** A method has no name: one with the same issuer is the same method. */
export const mfaTotp = kind<MfaTotp, MfaTotpArgs>({
  type: "vault:identity/mfaTotp:MfaTotp",
  fields: totpFields,
  computed: ["methodId", "name", "namespaceId", "namespacePath", "type", "uuid"],
  async create(vault, inputs) {
    const body = toVault(totpFields as Fields, inputs);
    const same = await methodOf(vault, inputs.issuer);
    if (same !== undefined) {
      await vault.write(`${totpMethods}/${same}`, body);
      return same;
    }
    return (await vault.write<{ method_id: string }>(totpMethods, body)).data.method_id;
  },
  async read(vault, id) {
    const data = await vault.read(`${totpMethods}/${id}`);
    if (data === undefined) return undefined;
    return {
      ...fromVault(totpFields as Fields, data),
      methodId: id,
      uuid: id,
      type: "totp",
      ...naming(data),
    };
  },
  async update(vault, id, inputs) {
    await vault.write(`${totpMethods}/${id}`, toVault(totpFields as Fields, inputs));
  },
  delete: (vault, id) => remove(vault, `${totpMethods}/${id}`),
});

async function methodOf(vault: Vault, issuer: Value | undefined): Promise<string | undefined> {
  const known = await vault.read<{ key_info: Record<string, { issuer: string }> }>(totpMethods, {
    list: true,
  });
  return Object.entries(known?.key_info ?? {}).find(([, method]) => method.issuer === issuer)?.[0];
}

const enforcementFields: Fields<MfaLoginEnforcementArgs> = {
  name: text({ required: true, replace: true, local: true }),
  mfaMethodIds: set({ required: true }),
  authMethodAccessors: set(),
  authMethodTypes: set(),
  identityEntityIds: set(),
  identityGroupIds: set(),
};

const enforcements = "identity/mfa/login-enforcement";

export const mfaLoginEnforcement = kind<MfaLoginEnforcement, MfaLoginEnforcementArgs>({
  type: "vault:identity/mfaLoginEnforcement:MfaLoginEnforcement",
  fields: enforcementFields,
  computed: ["namespaceId", "namespacePath", "uuid"],
  async create(vault, inputs) {
    const name = said(inputs, "name");
    await vault.write(`${enforcements}/${name}`, toVault(enforcementFields as Fields, inputs));
    return name;
  },
  async read(vault, id) {
    const data = await vault.read(`${enforcements}/${id}`);
    if (data === undefined) return undefined;
    const { name: _, ...where } = naming(data);
    return { name: id, ...fromVault(enforcementFields as Fields, data), ...where, uuid: String(data.id) };
  },
  async update(vault, id, inputs) {
    await vault.write(`${enforcements}/${id}`, toVault(enforcementFields as Fields, inputs));
  },
  delete: (vault, id) => remove(vault, `${enforcements}/${id}`),
});

/** Writes an entity or group by its name, which makes it or takes it over, and returns its id. */
async function named(vault: Vault, base: string, name: string, body: Properties): Promise<string> {
  const path = `${base}/name/${encodeURIComponent(name)}`;
  await vault.write(path, body);
  const live = await vault.read<{ id: string }>(path);
  if (live === undefined) throw new Error(`${path}: Vault has lost what it has just accepted`);
  return live.id;
}

/** What Vault keeps below `<base>/id/<id>`. */
function byId(base: string, fields: Fields) {
  const path = (id: string) => `${base}/id/${id}`;
  return {
    async read(vault: Vault, id: string): Promise<Properties | undefined> {
      const data = await vault.read(path(id));
      return data === undefined ? undefined : fromVault(fields, data);
    },
    async update(vault: Vault, id: string, inputs: Properties): Promise<void> {
      await vault.write(path(id), toVault(fields, inputs));
    },
    delete: (vault: Vault, id: string) => remove(vault, path(id)),
  };
}

function naming(data: Record<string, unknown>) {
  return {
    name: String(data.name ?? ""),
    namespaceId: String(data.namespace_id ?? ""),
    namespacePath: String(data.namespace_path ?? ""),
  };
}
