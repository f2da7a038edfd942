import { randomBytes } from "node:crypto";
import { type Vault, VaultError } from "../clients/vault.ts";
import type { Model, Person } from "../model/model.ts";
import type { Report } from "./progress.ts";
import { UnknownNameError } from "./values/set.ts";

/** Enrolment cannot be done as asked. Says what to do. */
export class EnrolmentError extends Error {
  override name = "EnrolmentError";
}

/** What is handed over, once: a wrapping token, not what it wraps. */
export interface Enrolment {
  person: string;
  email: string;
  token: string;
  /** Seconds for which the token can be unwrapped. */
  ttl: number;
  /** Vault's name of the wrapping token, for the record; it unwraps nothing. */
  accessor: string;
}

/** What the person unwraps. */
export interface Handover {
  username: string;
  /** Absent where people log in through the organization's own OIDC. */
  password?: string;
  /** otpauth:// address for an authenticator app. */
  totp: string;
}

interface TotpMethod {
  id: string;
  name: string;
}

/**
 * The person of the catalogue.
 * @throws UnknownNameError
 */
export function personNamed(model: Pick<Model, "people">, name: string): Person {
  const person = model.people.find((one) => one.name === name);
  if (person === undefined) {
    const known = model.people.map((one) => one.name).join(", ");
    throw new UnknownNameError(`the catalogue has no such person; it has ${known}`);
  }
  return person;
}

/**
 * Gives a person a password (where Vault keeps them) and a second factor, and wraps both into one token that can
 * be opened once. The second factor comes first: where there is one already, nothing is changed.
 * @param vault logged in as the enrolment role
 * @param options again: destroys the second factor there is; ttl: of the wrapping, such as "15m"
 * @throws EnrolmentError, UnknownNameError, VaultError
 */
export async function enrol(
  vault: Vault,
  model: Model,
  name: string,
  { again, ttl = "15m", report }: { again: boolean; ttl?: string; report: Report },
): Promise<Enrolment> {
  const person = personNamed(model, name);
  const entity = await vault.read<{ id: string }>(`identity/entity/name/${person.name}`);
  if (entity === undefined) {
    throw new EnrolmentError(
      `${name} is in the catalogue but not in Vault yet: deploy first (\`keyplane up\`)`,
    );
  }
  const subject = { method_id: (await totpMethod(vault)).id, entity_id: entity.id };
  if (again) await vault.write("identity/mfa/method/totp/admin-destroy", subject);
  const { data: made } = await vault.write<{ url: string } | null>(
    "identity/mfa/method/totp/admin-generate",
    subject,
  );
  if (made === null) {
    throw new EnrolmentError(
      `${name} has a second factor already; \`keyplane enrol ${name} --again\` destroys it and makes another`,
    );
  }
  report({ subject: name, state: "progress", text: "second factor made" });
  const handover: Handover = { username: name, totp: labelled(made.url, name) };
  if (model.vault.auth.human === "userpass") {
    handover.password = randomBytes(24).toString("base64url");
    await vault.write(`auth/userpass/users/${name}`, { password: handover.password });
  }
  const { wrap_info: wrapped } = await vault.write("sys/wrapping/wrap", handover, { wrapTtl: ttl });
  if (wrapped === undefined)
    throw new EnrolmentError("Vault answered without a wrapping token; run it again --again");
  report({ subject: name, state: "done", text: "enrolled" });
  return {
    person: name,
    email: person.email,
    token: wrapped.token,
    ttl: wrapped.ttl,
    accessor: wrapped.accessor,
  };
}

/**
 * Opens a wrapping token, which is its own credential. Works once.
 * @throws EnrolmentError when it was opened before, or its time is over
 */
export async function unwrap(vault: Vault, token: string): Promise<Handover> {
  try {
    return (await vault.with(token).write<Handover>("sys/wrapping/unwrap")).data;
  } catch (cause) {
    if (!(cause instanceof VaultError && (cause.status === 400 || cause.status === 403))) throw cause;
    throw new EnrolmentError(
      "the token does not open: its time is over, or someone opened it before you. If that was not you, tell " +
        "whoever gave it to you at once: `keyplane enrol NAME --again` makes what they saw worthless",
      { cause },
    );
  }
}

async function totpMethod(vault: Vault): Promise<TotpMethod> {
  const list = await vault.read<{ key_info: Record<string, TotpMethod> }>("identity/mfa/method/totp", {
    list: true,
  });
  const methods = Object.values(list?.key_info ?? {});
  const [method] = methods;
  if (method === undefined)
    throw new EnrolmentError("Vault has no TOTP method yet: deploy first (`keyplane up`)");
  if (methods.length > 1)
    throw new EnrolmentError(`Vault has ${methods.length} TOTP methods, and one is expected`);
  return method;
}

/** Vault names the account by its entity's id; a person wants to find it in their app. Apps show a + as it is. */
function labelled(url: string, name: string): string {
  const totp = new URL(url);
  const issuer = totp.searchParams.get("issuer") ?? "Vault";
  return `otpauth://totp/${encodeURIComponent(issuer)}:${encodeURIComponent(name)}${totp.search.replaceAll("+", "%20")}`;
}
