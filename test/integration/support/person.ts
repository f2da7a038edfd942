import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { TOTP, URI } from "otpauth";
import type { Vault, VaultAuth } from "../../../clients/vault.ts";
import { enrol, unwrap } from "../../../operations/enrol.ts";
import type { TestStack } from "../stack.ts";
import { type Login, login } from "./login.ts";

/** A login that waits for its second factor. */
export interface Pending {
  request: string;
  method: string;
}

/** A person of the catalogue after `keyplane enrol`: with a password, and the secret of an authenticator app. */
export class EnrolledPerson {
  readonly name: string;
  readonly password: string;
  readonly totp: TOTP;
  readonly #vault: Vault;
  readonly #mount: string;

  private constructor(stack: TestStack, name: string, password: string, totp: TOTP) {
    this.name = name;
    this.password = password;
    this.totp = totp;
    this.#vault = stack.vault;
    this.#mount = stack.first.model.vault.auth.human;
  }

  static async enrol(stack: TestStack, name: string, { again = false } = {}): Promise<EnrolledPerson> {
    const { vault: enroller, end } = await stack.as("enrol");
    const { token } = await enrol(enroller, stack.first.model, name, { again, report: () => {} });
    await end();
    const { username, password, totp: uri } = await unwrap(stack.vault, token);
    assert.equal(username, name);
    assert.ok(password !== undefined);
    const totp = URI.parse(uri);
    assert.ok(totp instanceof TOTP);
    return new EnrolledPerson(stack, name, password, totp);
  }

  get loginPath(): string {
    return `auth/${this.#mount}/login/${this.name}`;
  }

  /** The code that the app shows so many periods from now; Vault takes the one before and after as well. */
  code(periods: -2 | -1 | 0 | 1 | 2 = 0): string {
    return this.totp.generate({ timestamp: Date.now() + periods * this.totp.period * 1000 });
  }

  /** Waits until the current code stays the current one for some seconds. */
  async untilPeriodLasts(): Promise<void> {
    while (this.totp.remaining() < 5000) await wait(200);
  }

  /** A code that is none of those that Vault takes now or soon. */
  wrongCode(): string {
    const right = new Set([-2, -1, 0, 1, 2, 3].map((n) => this.code(n as 0)));
    for (let code = 0; ; code++) {
      const text = String(code).padStart(this.totp.digits, "0");
      if (!right.has(text)) return text;
    }
  }

  /** Sends the password. The answer must demand the second factor and hold no token. */
  async start(password = this.password): Promise<Pending> {
    const outcome = await login(this.#vault, this.loginPath, { password });
    assert.ok(outcome.admitted, outcome.admitted ? "" : outcome.errors);
    return demandOf(outcome.auth);
  }

  /** Answers a demand. */
  async answer({ request, method }: Pending, ...codes: string[]): Promise<Login> {
    return login(this.#vault, "sys/mfa/validate", {
      mfa_request_id: request,
      mfa_payload: { [method]: codes },
    });
  }

  /** Logs in with a code and returns a client with the person's token. */
  async session(code = this.code()): Promise<Vault> {
    const outcome = await this.answer(await this.start(), code);
    assert.ok(outcome.admitted, outcome.admitted ? "" : outcome.errors);
    assert.notEqual(outcome.auth.client_token, "");
    return this.#vault.with(outcome.auth.client_token);
  }
}

/** What Vault demands after the right password: exactly one TOTP code, and no token before. */
function demandOf(auth: VaultAuth): Pending {
  assert.equal(auth.client_token, "", "no token before the second factor");
  assert.equal(auth.policies, null, "no policies before the second factor");
  assert.ok(auth.mfa_requirement !== null, "a second factor is demanded");
  const constraints = Object.values(auth.mfa_requirement.mfa_constraints);
  assert.equal(constraints.length, 1);
  const [method, ...others] = constraints[0]?.any ?? [];
  assert.ok(method !== undefined && others.length === 0);
  assert.equal(method.type, "totp");
  return { request: auth.mfa_requirement.mfa_request_id, method: method.id };
}
