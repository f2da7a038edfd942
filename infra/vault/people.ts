import { ComponentResource, type ComponentResourceOptions, type CustomResourceOptions } from "@pulumi/pulumi";
import type { AuthBackend } from "@pulumi/vault/authBackend.js";
import { Entity } from "@pulumi/vault/identity/entity.js";
import { EntityAlias } from "@pulumi/vault/identity/entityAlias.js";
import { Group } from "@pulumi/vault/identity/group.js";
import { MfaLoginEnforcement } from "@pulumi/vault/identity/mfaLoginEnforcement.js";
import { MfaTotp } from "@pulumi/vault/identity/mfaTotp.js";
import { AuthBackendRole } from "@pulumi/vault/jwt/authBackendRole.js";
import type { Model } from "../../model/model.ts";
import { dataHolding } from "../retention.ts";
import { human } from "./lifetime.ts";
import { login } from "./mounts.ts";

/** How people come in: their login, and the code that it asks for (R50). */
export class HumanLogin extends ComponentResource {
  readonly mount: AuthBackend;

  constructor(name: string, { vault, organization, environment }: Model, opts?: ComponentResourceOptions) {
    super("keyplane:vault:HumanLogin", name, {}, opts);
    const within: CustomResourceOptions = {
      parent: this,
      ...(opts?.dependsOn !== undefined && { dependsOn: opts.dependsOn }),
    };
    const path = vault.auth.human;
    this.mount = login(path, path, "People, with a second factor.", human, within);
    if (path === "oidc") {
      // The mount's own configuration holds the client's secret and is written outside the program.
      new AuthBackendRole(
        `${name}-oidc`,
        {
          backend: path,
          roleName: "people",
          roleType: "oidc",
          userClaim: "email",
          oidcScopes: ["email"],
          ...(vault.oidc !== undefined && { boundAudiences: [vault.oidc.clientId] }),
          allowedRedirectUris: [
            "http://localhost:8250/oidc/callback",
            `${vault.address}/ui/vault/auth/oidc/oidc/callback`,
          ],
          tokenTtl: human.least,
          tokenMaxTtl: human.most,
          tokenExplicitMaxTtl: human.most,
          tokenType: "service",
        },
        { parent: this, dependsOn: [this.mount] },
      );
    }
    const totp = new MfaTotp(
      `${name}-totp`,
      {
        issuer: `Keyplane ${organization} ${environment}`,
        // What every authenticator app computes; longer hashes are ignored by some and would lock people out.
        algorithm: "SHA1",
        digits: 6,
        period: 30,
        skew: 1,
        keySize: 20,
        maxValidationAttempts: 5,
      },
      { ...within, ...dataHolding() },
    );
    new MfaLoginEnforcement(
      `${name}-mfa`,
      { name: "people", mfaMethodIds: [totp.methodId], authMethodAccessors: [this.mount.accessor] },
      // Without it the login would go on, and ask for a password alone.
      { ...within, ...dataHolding() },
    );
    this.registerOutputs({});
  }
}

/** The named people and their groups; a group's members are exactly those of the catalogue (R59). */
export function declarePeople(
  { people, groups, vault }: Model,
  { mount }: HumanLogin,
  opts: CustomResourceOptions,
): void {
  const entities = new Map<string, Entity>();
  for (const { name, email } of people) {
    const entity = new Entity(
      name,
      { name, metadata: { email }, policies: [] },
      // Someone locked out in an incident stays out until whoever did it lets them in again.
      { ...opts, ignoreChanges: ["disabled"] },
    );
    new EntityAlias(
      name,
      {
        canonicalId: entity.id,
        mountAccessor: mount.accessor,
        name: vault.auth.human === "userpass" ? name : email,
      },
      opts,
    );
    entities.set(name, entity);
  }
  for (const { name, members, policies } of groups) {
    const memberEntityIds = members.map((member) => {
      const entity = entities.get(member);
      if (entity === undefined)
        throw new Error(`The group "${name}" has a member "${member}" who is not among the people`);
      return entity.id;
    });
    new Group(name, { name, type: "internal", policies, memberEntityIds }, opts);
  }
}
