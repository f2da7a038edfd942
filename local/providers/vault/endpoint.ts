import type { Endpoint, EndpointArgs } from "@pulumi/vault/generic/endpoint.js";
import type { Vault } from "../../../clients/vault.ts";
import { flag, list, type Properties, text } from "../fields.ts";
import { said } from "../kind.ts";
import { kind } from "./entry.ts";

/** Compact JSON, so that spaces are no difference. */
const compact = (json: string) => JSON.stringify(JSON.parse(json));

/**
 * The one thing that is written this way. Whoever reaches the provider's port acts with its token: it shall not be
 * the way to every path of Vault.
 */
const rotation = /^[a-z0-9][\w-]*\/rotate-root\/[a-z0-9][\w.-]*$/;

function refused(path: string): string | undefined {
  return rotation.test(path)
    ? undefined
    : "the local provider writes only to <mount>/rotate-root/<connection>: use the type of its own for another object, or run with --providers official";
}

/** Replaces the password of a connection's manager; also when someone calls without a check before. */
async function rotate(vault: Vault, path: string, inputs: Properties): Promise<void> {
  const reason = refused(path);
  if (reason !== undefined) throw new Error(`path: ${reason}`);
  await vault.write(path, JSON.parse(said(inputs, "dataJson")));
}

/** A bare write to a path. Only the form that neither reads nor deletes is served: nothing else is declared. */
export const endpoint = kind<Endpoint, EndpointArgs>({
  type: "vault:generic/endpoint:Endpoint",
  fields: {
    path: text({ required: true, replace: true, local: true, refused }),
    dataJson: text({ required: true, writeOnly: true, normal: compact }),
    disableRead: flag({ required: true, local: true }),
    disableDelete: flag({ required: true, local: true }),
    ignoreAbsentFields: flag({ local: true }),
    writeFields: list({ local: true }),
  },
  computed: ["writeData", "writeDataJson"],
  async create(vault, inputs) {
    if (inputs.disableRead !== true || inputs.disableDelete !== true) {
      throw new Error(
        "the local provider serves only endpoints with disableRead and disableDelete: use the type of its own for an object that can be read",
      );
    }
    const path = said(inputs, "path");
    await rotate(vault, path, inputs);
    return path;
  },
  async read(_vault, id) {
    return { path: id, writeData: {}, writeDataJson: "null" };
  },
  async update(vault, id, inputs) {
    await rotate(vault, id, inputs);
  },
  async delete() {},
});
