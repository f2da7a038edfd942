import type { ResourceRule } from "../rule.ts";
import { text } from "../value.ts";
import { vault } from "./types.ts";

export const endpointRotatesOnly: ResourceRule = {
  name: "endpoint-rotates-only",
  sentence: "The one raw write to Vault is the one that replaces a database's bootstrap password.",
  severity: "critical",
  fix: "Declare what is to be written as a resource of its own kind, or write it outside the program.",
  controls: ["NIST-800-53r5/CM-7", "NIST-800-53r5/SC-28", "R53"],
  types: [vault.endpoint],
  *judge({ props }) {
    const path = text(props.path) ?? "";
    if (!/^database\/rotate-root\/[a-z0-9][\w.-]*$/.test(path)) yield `it writes to "${path}"`;
    if (props.disableRead !== true) yield "disableRead is not true: what is read there lands in the state";
    if (props.disableDelete !== true) yield "disableDelete is not true";
    if ((props.writeFields as unknown[] | undefined)?.length)
      yield "writeFields puts the answer into the state";
    // A digest of 16 hexadecimal digits tells the engine when to write again, and tells nobody a password.
    if (!/^\{("replaces":"[0-9a-f]{16}")?\}$/.test(text(props.dataJson) ?? ""))
      yield "dataJson has more than when it is to be done";
  },
};
