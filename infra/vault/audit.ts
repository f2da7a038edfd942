import { ComponentResource, type ComponentResourceOptions, type Resource } from "@pulumi/pulumi";
import { Audit } from "@pulumi/vault/audit.js";
import type { AuditDevice } from "../../model/vault.ts";

/** The audit devices of a Vault: at least two, so that one can fail without stopping every request (R51). */
export class AuditDevices extends ComponentResource {
  constructor(name: string, devices: AuditDevice[], opts?: ComponentResourceOptions) {
    super("keyplane:vault:AuditDevices", name, {}, opts);
    if (devices.length < 2) {
      throw new Error(
        `Vault needs two audit devices on separate failure domains and has ${devices.length}: add one to vault.audit of the environment`,
      );
    }
    // One after the other, so that a replacement never leaves Vault without a device.
    let before: Resource[] = [];
    for (const { name: path, type, options } of devices) {
      const device = new Audit(
        `${name}-${path}`,
        { path, type, options, local: false, description: "Every request and every answer, values hashed." },
        { parent: this, dependsOn: before },
      );
      before = [device];
    }
    this.registerOutputs({});
  }
}
