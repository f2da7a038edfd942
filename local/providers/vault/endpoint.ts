import type { Endpoint, EndpointArgs } from "@pulumi/vault/generic/endpoint.js";
import { flag, list, text } from "../fields.ts";
import { kind, said } from "../kind.ts";

/** Compact JSON, so that spaces are no difference. */
const compact = (json: string) => JSON.stringify(JSON.parse(json));

/** A bare write to a path. Only the form that neither reads nor deletes is served: nothing else is declared. */
export const endpoint = kind<Endpoint, EndpointArgs>({
  type: "vault:generic/endpoint:Endpoint",
  fields: {
    path: text({ required: true, replace: true, local: true }),
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
    await vault.write(path, JSON.parse(said(inputs, "dataJson")));
    return path;
  },
  async read(_vault, id) {
    return { path: id, writeData: {}, writeDataJson: "null" };
  },
  async update(vault, id, inputs) {
    await vault.write(id, JSON.parse(said(inputs, "dataJson")));
  },
  async delete() {},
});
