import { randomBytes } from "node:crypto";
import { TOTP, URI } from "otpauth";
import { type Vault, type VaultAuth, VaultError, type VaultResponse } from "../../clients/vault.ts";
import { loginAs } from "../identity.ts";
import { notShown, type TourContext, type TourLine, tried } from "./line.ts";

/** A person is refused without the second factor and let in with it. The person exists for this tour only. */
export async function* personWithMfa({
  services,
  model,
  vault,
  trail,
}: TourContext): AsyncGenerator<TourLine> {
  const withoutFactor = "a person with the right password and no second factor gets no token";
  const withFactor = "with the second factor the person is let in";
  const mount = model.vault.auth.human;
  if (mount !== "userpass") {
    const why = "people of this environment log in at the organization's own OIDC provider";
    yield notShown(withoutFactor, why);
    yield notShown(withFactor, why);
    return;
  }
  const deployer = await loginAs(services, model, vault, "deploy");
  const enroller = await loginAs(services, model, vault, "enrol");
  const visitor = await Visitor.invite(deployer.vault, enroller.vault, mount);
  try {
    const login = `auth/${mount}/login/${visitor.name}`;
    const first = await vault.write(login, { password: visitor.password });
    const requirement = first.auth?.mfa_requirement;
    const refused = requirement
      ? await validate(vault, requirement, "000000").then(
          () => false,
          (error: unknown) => error instanceof VaultError && error.status === 403,
        )
      : false;
    yield tried(
      withoutFactor,
      first.auth?.client_token === "" && refused,
      requirement
        ? `login answers with a demand for TOTP; a wrong code ${refused ? "is refused" : "is let in"}`
        : "login demands no second factor",
      await trail.of(first, visitor.name),
    );

    const second = requirement ? await validate(vault, requirement, visitor.code()) : first;
    const admitted = second.auth;
    yield tried(
      withFactor,
      (admitted?.client_token ?? "") !== "",
      `policies ${admitted?.policies.join(", ")}, valid for ${admitted?.lease_duration} s`,
      await trail.of(second, visitor.name),
    );
    if (admitted?.client_token) await vault.with(admitted.client_token).write("auth/token/revoke-self");
  } finally {
    await visitor.leave();
    await deployer.end();
    await enroller.end();
  }
}

async function validate(
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

/** A userpass user with an entity and a TOTP secret, removed at the end. */
class Visitor {
  static readonly #name = "keyplane-tour";
  readonly name = Visitor.#name;
  readonly password = randomBytes(24).toString("base64url");
  readonly #deployer: Vault;
  readonly #enroller: Vault;
  readonly #mount: string;
  #totp: TOTP | undefined;

  private constructor(deployer: Vault, enroller: Vault, mount: string) {
    this.#deployer = deployer;
    this.#enroller = enroller;
    this.#mount = mount;
  }

  static async invite(deployer: Vault, enroller: Vault, mount: string): Promise<Visitor> {
    const visitor = new Visitor(deployer, enroller, mount);
    await visitor.leave(); // an earlier tour may have been killed
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

  code(): string {
    if (this.#totp === undefined) throw new Error("Vault gave no TOTP secret.");
    return this.#totp.generate();
  }

  async leave(): Promise<void> {
    await this.#enroller.delete(`auth/${this.#mount}/users/${this.name}`);
    await this.#deployer.delete(`identity/entity/name/${this.name}`);
  }
}
