import { posix } from "node:path";
import { isLocal } from "../aws/place.ts";
import { ofType } from "../resource.ts";
import type { Resource, ResourceRule, StackRule } from "../rule.ts";
import { record, text, texts } from "../value.ts";
import { mounts, vault } from "./types.ts";

export const auditDevicesApart: StackRule = {
  name: "audit-devices-apart",
  sentence: "A Vault has at least two audit devices that do not fail together.",
  severity: "critical",
  fix: "Give vault.audit of the environment two devices of different types, or files in different folders.",
  controls: ["NIST-800-53r5/AU-5(5)", "OWASP-Secrets/2.6-auditing", "R51"],
  *judgeStack(resources) {
    // The mounts are declared by the stack that declares the audit devices; a part with systems alone has neither.
    if (!resources.some(({ type }) => mounts.includes(type))) return;
    const devices = ofType(resources, vault.audit);
    const domains = new Set(devices.map(failureDomain));
    if (domains.size < 2) {
      yield {
        message: `${devices.length} audit device(s) on ${domains.size} failure domain(s): Vault stops when all of them block, and nothing is on record when they fail`,
      };
    }
  },
};

/** What takes a device down with it: its folder, its collector, the host's syslog. */
function failureDomain({ props }: Resource): string {
  const options = record(props.options);
  const type = text(props.type) ?? "";
  if (type === "file") return `file ${posix.dirname(text(options.file_path) ?? text(options.path) ?? "")}`;
  if (type === "socket") return `socket ${text(options.address) ?? ""}`;
  return type;
}

export const auditValuesHashed: ResourceRule = {
  name: "audit-values-hashed",
  sentence: "An audit device writes values as keyed hashes, never raw.",
  severity: "critical",
  fix: "Remove log_raw and hmac_accessor from the device's options.",
  controls: ["NIST-800-53r5/SC-28", "OWASP-Secrets/2.6-auditing", "R52", "R54"],
  types: [vault.audit],
  *judge({ props }) {
    const options = record(props.options);
    if (options.log_raw !== undefined && String(options.log_raw) !== "false")
      yield "log_raw writes every value as it is";
    if (options.hmac_accessor !== undefined && String(options.hmac_accessor) !== "true") {
      yield "hmac_accessor is off: who reads the log can revoke any token by its accessor";
    }
  },
};

export const auditComplete: ResourceRule = {
  name: "audit-complete",
  sentence: "An audit device records every request and answer, of every node, unfiltered.",
  severity: "high",
  fix: "Remove filter, exclude and fallback from the device's options and keep local false.",
  controls: ["NIST-800-53r5/AU-2", "NIST-800-53r5/AU-12", "R51"],
  types: [vault.audit],
  *judge({ props }) {
    const options = record(props.options);
    const wanted = destinations[text(props.type) ?? ""];
    if (wanted === undefined)
      yield `a device of type ${text(props.type) ?? "nothing"} is none that Vault has`;
    else if (!wanted.form.test(text(options[wanted.option]) ?? ""))
      yield `${wanted.option} is not ${wanted.what}`;
    for (const name of Object.keys(options)) {
      if (["filter", "exclude", "fallback", "elide_list_responses"].includes(name))
        yield `${name} keeps something off this device`;
      else if (wanted !== undefined && name !== wanted.option && !otherOptions.includes(name))
        yield `${name} is set, which nobody has thought of here`;
    }
    // What is sent so is lost without anybody's notice, and Vault goes on.
    if (!["tcp", undefined].includes(text(options.socket_type))) yield "socket_type is not tcp";
    if (props.local !== false) yield "local is not false: the device is not made on other clusters";
  },
};

/** Judged by the rules around it; the path and the mode of a file, and who is named in syslog. */
const otherOptions = ["log_raw", "hmac_accessor", "mode", "path", "socket_type", "tag"];

const destinations: Record<string, { option: string; form: RegExp; what: string }> = {
  file: { option: "file_path", form: /^\/(?!dev\/)[^*?]+$/, what: "an absolute path of a file" },
  socket: { option: "address", form: /^([\w.-]+|\[[0-9a-f:]+\]):\d+$/i, what: "a host with a port" },
  syslog: {
    option: "facility",
    form: /^(AUTH|AUTHPRIV|LOCAL[0-7])$/i,
    what: "a facility for what is private",
  },
};

export const auditFilePrivate: ResourceRule = {
  name: "audit-file-private",
  sentence: "An audit file can be read by its owner alone, lies on a disk that stays, and is no terminal.",
  severity: "medium",
  fix: "Name an absolute file_path, not below /tmp or /run, and leave mode at 0600.",
  controls: ["NIST-800-53r5/AU-9", "R45", "R51"],
  types: [vault.audit],
  *judge({ urn, props }) {
    if (props.type !== "file") return;
    const options = record(props.options);
    const path = text(options.file_path) ?? text(options.path);
    if (path === undefined || !path.startsWith("/") || /^\/dev\//.test(path)) {
      yield "the device does not write to a file of an absolute path";
    } else if (!isLocal(urn) && /^\/(var\/)?(tmp|run)\//.test(path))
      // The whole of a local stack may lie there, and go with it.
      yield `${path} goes when the machine starts again`;
    const mode = text(options.mode);
    // 0000 tells Vault to leave the mode of a file that is there alone, whoever may read it.
    if (mode !== undefined && !/^0?[246]00$/.test(mode)) yield `mode ${mode} lets others read the log`;
  },
};

export const mountFieldsHashed: ResourceRule = {
  name: "mount-fields-hashed",
  sentence: "No field of a mount is exempt from hashing in the audit log.",
  severity: "high",
  fix: "Set auditNonHmacRequestKeys and auditNonHmacResponseKeys to empty lists.",
  controls: ["NIST-800-53r5/SC-28", "OWASP-Secrets/2.6-auditing", "R52", "R54"],
  types: mounts,
  *judge({ type, props }) {
    const settings = type === vault.mount ? props : record(props.tune);
    for (const name of ["auditNonHmacRequestKeys", "auditNonHmacResponseKeys"]) {
      if (!Array.isArray(settings[name]))
        yield `${name} is not said, so nobody notices a field that someone exempts`;
      else if (settings[name].length > 0) yield `${name} exempts ${texts(settings[name]).join(", ")}`;
    }
  },
};
