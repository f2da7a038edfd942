import { isLocal } from "./aws/place.ts";
import type { Props, ResourceRule } from "./rule.ts";

/** Providers that the program uses, and what the program or its environment may set of each. Texts may be of JSON. */
const known: Readonly<Record<string, readonly string[]>> = {
  "pulumi:providers:vault": [
    "address",
    "skipChildToken",
    "skipGetVaultVersion",
    "maxLeaseTtlSeconds",
    "maxRetries",
  ],
  "pulumi:providers:aws": [
    ...["region", "allowedAccountIds", "defaultTags", "maxRetries", "retryMode"],
    // Pulumi's own defaults: metadata of a virtual machine is not asked for, new regions are taken.
    ...["skipMetadataApiCheck", "skipRegionValidation"],
  ],
  "pulumi:providers:kubernetes": ["cluster", "context", "namespace", "enableServerSideApply"],
};

/** What a provider of the local stack may have beside it: it talks to this machine alone. */
const ofThisMachine: Readonly<Record<string, readonly string[]>> = {
  "pulumi:providers:vault": ["caCertFile", "caCertDir"],
  "pulumi:providers:aws": [
    "endpoints",
    "s3UsePathStyle",
    "skipCredentialsValidation",
    "skipRequestingAccountId",
  ],
  "pulumi:providers:kubernetes": [],
};

const loopback = /^https?:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/.*)?$/;

export const providerOwn: ResourceRule = {
  name: "provider-own",
  sentence:
    "A provider talks to the environment's own systems over TLS and takes its credentials from where it runs, never from the program.",
  severity: "critical",
  fix: "Set vault:address and aws:region in Pulumi.<environment>.yaml and nothing else; `keyplane as` gives the credentials.",
  controls: ["NIST-800-53r5/IA-5(7)", "NIST-800-53r5/SC-8", "NIST-800-53r5/SC-23", "R53", "R55"],
  types: Object.keys(known),
  *judge({ type, urn, props }) {
    const local = isLocal(urn);
    const may = [...(known[type] ?? []), ...(local ? (ofThisMachine[type] ?? []) : [])];
    for (const [name, value] of Object.entries(props)) {
      // Which plugin it is; where it comes from, `pluginDownloadURL` would say.
      if (name === "version" || name.startsWith("__") || isOff(value)) continue;
      if (!may.includes(name)) yield `${name} is set`;
    }
    yield* addresses(type, props, local);
  },
};

export const providerDefault: ResourceRule = {
  name: "provider-default",
  sentence:
    "A stack is of one Vault, one account and region of AWS, and one cluster: those that its settings name.",
  severity: "critical",
  fix: "Declare no provider in the program; what is elsewhere is another environment of the catalogue.",
  controls: ["NIST-800-53r5/CM-8", "NIST-800-53r5/SC-7", "R9"],
  types: Object.keys(known),
  *judge({ name }) {
    // As the engine calls the one that it makes of a stack's settings, with the version of its plugin.
    if (!/^default(_|$)/.test(name)) yield "the program declares a provider of its own";
  },
};

/** What is not said, or switched off, is as the provider has it by itself. */
function isOff(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    ["", "false", "[]", "{}"].includes(String(value)) ||
    isEmpty(value)
  );
}

const isEmpty = (value: unknown) =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0;

function* addresses(type: string, props: Props, local: boolean): Iterable<string> {
  if (type === "pulumi:providers:vault" && props.address !== undefined) {
    const address = String(props.address);
    if (local ? !loopback.test(address) : !/^https:\/\/[^@/?#]+\/?$/.test(address) || loopback.test(address))
      yield `address is ${local ? "not of this machine" : "no https address of the environment's"}`;
  }
  if (type !== "pulumi:providers:aws" || isOff(props.endpoints)) return;
  const text = typeof props.endpoints === "string" ? props.endpoints : JSON.stringify(props.endpoints);
  const urls = text.match(/https?:[^"\\]*/g) ?? [];
  if (local && !urls.every((url) => loopback.test(url))) yield "endpoints are not all of this machine";
}
