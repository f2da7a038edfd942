import { randomBytes } from "node:crypto";
import { TOTP, URI } from "otpauth";
import type { Vault, VaultAuth, VaultResponse } from "../../clients/vault.ts";

/** Who makes a visitor: clients logged in as the platform's deploy and enrol roles, and the people's mount. */
export interface Hosts {
  deployer: Vault;
  enroller: Vault;
  mount: string;
}

/** What visitors are called in Vault. */
export const visitors = { probe: "keyplane-probe", tour: "keyplane-tour" } as const;

/** A person who exists for one probe: a userpass user with an entity and a TOTP secret, removed at the end. */
export class Visitor {
  readonly name: string;
  readonly password = randomBytes(24).toString("base64url");
  readonly #deployer: Vault;
  readonly #enroller: Vault;
  readonly #mount: string;
  #totp: TOTP | undefined;

  private constructor(name: string, deployer: Vault, enroller: Vault, mount: string) {
    this.name = name;
    this.#deployer = deployer;
    this.#enroller = enroller;
    this.#mount = mount;
  }

  /** Names of those whom a run that was killed has left, as a role sees them that may list entities. */
  static async left(vault: Vault): Promise<string[]> {
    const entities = new Set(await vault.list("identity/entity/name"));
    return Object.values(visitors).filter((name) => entities.has(name));
  }

  /** Removes one who was left. */
  static async dismiss(name: string, { deployer, enroller, mount }: Hosts): Promise<void> {
    await new Visitor(name, deployer, enroller, mount).leave();
  }

  /** @param name what they are called in Vault; one who was left by a run that was killed goes first */
  static async invite(name: string, { deployer, enroller, mount }: Hosts): Promise<Visitor> {
    const visitor = new Visitor(name, deployer, enroller, mount);
    await visitor.leave();
    const mounts = await deployer.read<Record<string, { accessor: string }>>("sys/auth");
    const accessor = mounts?.[`${mount}/`]?.accessor;
    const entity = await deployer.write<{ id: string }>("identity/entity", { name: visitor.name });
    await deployer.write("identity/entity-alias", {
      name: visitor.name,
      canonical_id: entity.data.id,
      mount_accessor: accessor,
    });
    await enroller.write(`auth/${mount}/users/${visitor.name}`, { password: visitor.password });
    const methods = await enroller.list("identity/mfa/method/totp");
    const generated = await enroller.write<{ url: string }>("identity/mfa/method/totp/admin-generate", {
      method_id: methods[0],
      entity_id: entity.data.id,
    });
    const totp = URI.parse(generated.data.url);
    if (totp instanceof TOTP) visitor.#totp = totp;
    return visitor;
  }

  /** Logs in with the right password. */
  async login(vault: Vault): Promise<VaultResponse<unknown>> {
    return vault.write(`auth/${this.#mount}/login/${this.name}`, { password: this.password });
  }

  /** The code of this moment. */
  code(): string {
    if (this.#totp === undefined) throw new Error("Vault gave no TOTP secret.");
    return this.#totp.generate();
  }

  async leave(): Promise<void> {
    await this.#enroller.delete(`auth/${this.#mount}/users/${this.name}`);
    await this.#deployer.delete(`identity/entity/name/${this.name}`);
  }
}

/** Answers a login's demand for a second factor with a code. */
export async function validate(
  vault: Vault,
  requirement: NonNullable<VaultAuth["mfa_requirement"]>,
  code: string,
): Promise<VaultResponse<unknown>> {
  const methods = Object.values(requirement.mfa_constraints).flatMap(({ any }) => any.map(({ id }) => id));
  return vault.write("sys/mfa/validate", {
    mfa_request_id: requirement.mfa_request_id,
    mfa_payload: Object.fromEntries(methods.map((id) => [id, [code]])),
  });
}
