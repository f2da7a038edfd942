import assert from "node:assert/strict";
import type { Model, Secret } from "../../../model/model.ts";
import { type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import type { Outcome } from "../../../operations/rotation/outcome.ts";
import type { Reach, Reason } from "../../../operations/rotation/rotator.ts";
import { readFields } from "../../../operations/values/kv.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import postgresScenario, { type PostgresData } from "./postgres-scenario.ts";
import type { DatabaseServer } from "./postgres-server.ts";

let users = 0;

/** A database user of its own: its secret, what Vault holds of it, and which of that logs in. */
export class DatabaseUserCase {
  readonly secret: Secret;
  readonly data: PostgresData;
  readonly #server: DatabaseServer;
  readonly #passwords: Set<string>;

  /** @param passwords gets every password that is seen */
  constructor(server: DatabaseServer, like: Secret, passwords: Set<string>) {
    this.#server = server;
    this.#passwords = passwords;
    const secret = server.like(like, `case_${++users}`);
    this.secret = { ...secret, rotate: { ...secret.rotate, overlap: 0 } };
    const rotation = { ...server.model.rotation, watch: 0 };
    const model: Model = { ...server.model, rotation, secrets: [this.secret] };
    const { address, ca } = server.services.vault;
    this.data = { vault: { address, ca, token: server.rotator.token ?? "" }, model, secret: this.secret };
  }

  async rotate(
    reason: Reason,
    { reach, ...options }: Partial<RotateOptions> & { reach?: Partial<Reach> } = {},
  ): Promise<Outcome> {
    const { subject, close } = await postgresScenario.open(this.data, (_, call) => call());
    try {
      return await rotate({
        ...subject,
        reach: { ...subject.reach, ...reach },
        by: "keyplane.rotate",
        wait: true,
        report: () => {},
        // It waits for what does not come to pass; a test does not.
        signal: AbortSignal.timeout(120_000),
        ...options,
        reason,
      });
    } finally {
      await close();
    }
  }

  /** Its first value. */
  async first(): Promise<Fields> {
    const { state } = await this.rotate("first");
    assert.equal(state, "done");
    return this.source();
  }

  async source(): Promise<Fields> {
    return (await this.#at(this.secret.source)) ?? {};
  }

  /** Every version of the source that is not destroyed. */
  async versions(): Promise<Fields[]> {
    const { source } = this.secret;
    const metadata = await this.#server.root.read<{ versions: Record<string, unknown> }>(
      `kv/metadata/${source}`,
    );
    const numbers = Object.keys(metadata?.versions ?? {});
    const found = await Promise.all(numbers.map((number) => this.#at(source, Number(number))));
    return found.filter((fields) => fields !== undefined);
  }

  /** What each consumer was given, as far as something lies there. */
  async delivered(): Promise<Fields[]> {
    const found = await Promise.all(this.secret.consumers.map(({ path }) => this.#at(path)));
    return found
      .filter((fields) => fields !== undefined)
      .map((fields) => (fields.url === undefined ? fields : inUrl(fields.url)));
  }

  /** Variables of a single user's consumers name the password alone. */
  refusal(fields: Fields): Promise<string | undefined> {
    const user = fields.user ?? this.secret.databaseUser?.logins[0] ?? "";
    return this.#server.refusal(this.secret, { ...fields, user });
  }

  async #at(path: string, version?: number): Promise<Fields | undefined> {
    const fields = await readFields(this.#server.root, "kv", path, version);
    if (fields?.password !== undefined) this.#passwords.add(fields.password);
    return fields;
  }
}

function inUrl(url: string): Fields {
  const { username, password } = new URL(url);
  return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
}
