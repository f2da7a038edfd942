import assert from "node:assert/strict";
import { test } from "node:test";
import {
  auditComplete,
  auditDevicesApart,
  auditFilePrivate,
  auditValuesHashed,
  mountFieldsHashed,
} from "../../../policies/vault/audit.ts";
import { vault } from "../../../policies/vault/types.ts";
import { everything, everythingOf, findings, shipped, without } from "../examples.ts";
import { ruleSuite } from "../suite.ts";

const file = shipped(vault.audit, "audit-file");
const socket = shipped(vault.audit, "audit-collector");

ruleSuite(auditValuesHashed, file, {
  "raw values": [{ "options.log_raw": "true" }, ["log_raw writes every value as it is"]],
  "raw values, said as a flag": [{ "options.log_raw": true }, ["log_raw writes every value as it is"]],
  "accessors in clear": [
    { "options.hmac_accessor": "false" },
    ["hmac_accessor is off: who reads the log can revoke any token by its accessor"],
  ],
});

ruleSuite(auditComplete, file, {
  "no type": [{ type: undefined }, ["a device of type nothing is none that Vault has"]],
  "a type that Vault does not have": [{ type: "fil" }, ["a device of type fil is none that Vault has"]],
  "no file": [{ options: undefined }, ["file_path is not an absolute path of a file"]],
  "a terminal": [{ "options.file_path": "/dev/stdout" }, ["file_path is not an absolute path of a file"]],
  "a filter": [{ "options.filter": "mount_type == kv" }, ["filter keeps something off this device"]],
  "lists without what was listed": [
    { "options.elide_list_responses": "true" },
    ["elide_list_responses keeps something off this device"],
  ],
  "an option that hides a dead device": [
    { "options.skip_test": "true" },
    ["skip_test is set, which nobody has thought of here"],
  ],
  "one cluster only": [{ local: true }, ["local is not false: the device is not made on other clusters"]],
  "a collector without a port": [
    { type: "socket", options: { address: "audit.acme.example" } },
    ["address is not a host with a port"],
  ],
});
ruleSuite(auditComplete, socket, {
  "no address": [{ options: {} }, ["address is not a host with a port"]],
  "packets that may be lost": [{ "options.socket_type": "udp" }, ["socket_type is not tcp"]],
});

ruleSuite(auditFilePrivate, file, {
  "a relative path": [
    { "options.file_path": "audit.log" },
    ["the device does not write to a file of an absolute path"],
  ],
  "a folder that a restart empties": [
    { "options.file_path": "/tmp/audit.log" },
    ["/tmp/audit.log goes when the machine starts again"],
  ],
  "readable by the group": [{ "options.mode": "0640" }, ["mode 0640 lets others read the log"]],
  "readable by all": [{ "options.mode": "0644" }, ["mode 0644 lets others read the log"]],
  "as the file was before": [{ "options.mode": "0000" }, ["mode 0000 lets others read the log"]],
});

ruleSuite(mountFieldsHashed, shipped(vault.mount, "kv"), {
  unsaid: [
    { auditNonHmacRequestKeys: undefined },
    ["auditNonHmacRequestKeys is not said, so nobody notices a field that someone exempts"],
  ],
  "an exempt field": [
    { auditNonHmacResponseKeys: ["password"] },
    ["auditNonHmacResponseKeys exempts password"],
  ],
});
ruleSuite(mountFieldsHashed, shipped(vault.auth, "approle"), {
  "an exempt field of a login": [
    { "tune.auditNonHmacRequestKeys": ["secret_id"] },
    ["auditNonHmacRequestKeys exempts secret_id"],
  ],
  "no tuning": [
    { tune: undefined },
    [
      "auditNonHmacRequestKeys is not said, so nobody notices a field that someone exempts",
      "auditNonHmacResponseKeys is not said, so nobody notices a field that someone exempts",
    ],
  ],
});

test("audit-devices-apart: passes the shipped Vault, and a part that has none of the platform", () => {
  assert.deepEqual(findings(auditDevicesApart, everything()), []);
  assert.deepEqual(findings(auditDevicesApart, [shipped(vault.databaseRole)]), []);
});

test("audit-devices-apart: refuses no device, one, and two in one folder", () => {
  const message = (devices: number, domains: number) =>
    `${devices} audit device(s) on ${domains} failure domain(s): Vault stops when all of them block, and nothing is on record when they fail`;
  assert.deepEqual(findings(auditDevicesApart, without(vault.audit)), [message(0, 0)]);
  const same = { type: "file", options: { file_path: "/var/log/vault/audit.log" } };
  assert.deepEqual(findings(auditDevicesApart, everythingOf(vault.audit, same)), [message(2, 1)]);
});
