import { VaultError } from "../../clients/vault.ts";
import { Visitor, validate, visitors } from "../../operations/gates/visitor.ts";
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
  const hosts = { deployer: deployer.vault, enroller: enroller.vault, mount };
  const visitor = await Visitor.invite(visitors.tour, hosts);
  try {
    const first = await visitor.login(vault);
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
