import type { Audit, AuditArgs } from "@pulumi/vault/audit.js";
import { type Vault, VaultError } from "../../../clients/vault.ts";
import { flag, map, normalised, type Properties, text } from "../fields.ts";
import { said } from "../kind.ts";
import { kind, remove } from "./entry.ts";

interface LiveDevice {
  type: string;
  description: string;
  local: boolean;
  options: Record<string, string>;
}

const options = map({ required: true, replace: true });

/** Vault cannot change a device: every change is another device at the same path. */
export const audit = kind<Audit, AuditArgs>({
  type: "vault:index/audit:Audit",
  fields: {
    path: text({ replace: true, local: true }),
    type: text({ required: true, replace: true }),
    description: text({ replace: true }),
    local: flag({ replace: true }),
    options,
  },
  async create(vault, inputs) {
    const path = typeof inputs.path === "string" ? inputs.path : said(inputs, "type");
    const body = {
      type: said(inputs, "type"),
      description: inputs.description ?? "",
      local: inputs.local ?? false,
      options: inputs.options ?? {},
    };
    try {
      await vault.write(`sys/audit/${path}`, body);
    } catch (error) {
      if (!(error instanceof VaultError && (await sameDevice(vault, path, body)))) throw error;
    }
    return path;
  },
  async read(vault, id) {
    const live = await device(vault, id);
    if (live === undefined) return undefined;
    const { type, description, local } = live;
    return { path: id, type, description, local, options: normalised(options, live.options) };
  },
  async update() {
    throw new Error("an audit device is replaced, never changed");
  },
  delete: (vault, id) => remove(vault, `sys/audit/${id}`),
});

async function device(vault: Vault, path: string): Promise<LiveDevice | undefined> {
  return (await vault.read<Record<string, LiveDevice>>("sys/audit"))?.[`${path}/`];
}

async function sameDevice(vault: Vault, path: string, wanted: Properties): Promise<boolean> {
  const live = await device(vault, path);
  return (
    live !== undefined &&
    live.type === wanted.type &&
    live.description === wanted.description &&
    live.local === wanted.local &&
    JSON.stringify(normalised(options, live.options)) === JSON.stringify(normalised(options, wanted.options))
  );
}
