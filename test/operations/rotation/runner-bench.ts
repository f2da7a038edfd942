import { randomBytes } from "node:crypto";
import type { Vault } from "../../../clients/vault.ts";
import type { Model, Secret, Service } from "../../../model/model.ts";
import type { Clock } from "../../../operations/rotation/clock.ts";
import type { Journal } from "../../../operations/rotation/journal.ts";
import { readJournal, writeJournal } from "../../../operations/rotation/journal-store.ts";
import type { Changes } from "../../../operations/rotation/lease.ts";
import type { Runner } from "../../../operations/rotation/runner.ts";
import { writeSource } from "../../../operations/values/deliver.ts";
import { freshFields } from "../../../operations/values/shape.ts";
import type { RotationBench } from "./bench.ts";

/** Tokens of services that read Vault themselves, at paths of a test's own, for whole runs. */
export class Tokens {
  readonly secrets: Secret[];
  readonly model: Model;
  readonly #bench: RotationBench;

  private constructor(bench: RotationBench, secrets: Secret[], change: Partial<Model>) {
    this.#bench = bench;
    this.secrets = secrets;
    const ids = new Set(secrets.flatMap(({ consumers }) => consumers.map(({ id }) => id)));
    const services = [...ids].map((id): Service => {
      const [system = "", name = ""] = id.split("/");
      return { id, system, name, runsOn: "compose", reload: "restart", settles: 0, policy: id, deliver: [] };
    });
    const rotation = { ...bench.model.rotation, watch: 0, jitter: 0, blackouts: [] };
    this.model = { ...bench.model, services, secrets, settings: [], encryptionKeys: [], rotation, ...change };
  }

  /**
   * @param names of the secrets, with the services that read each
   * @param change of the model
   */
  static async make(
    bench: RotationBench,
    names: Record<string, string[]>,
    change: Partial<Model> = {},
  ): Promise<Tokens> {
    const own = `run-${randomBytes(4).toString("hex")}`;
    const secrets = Object.entries(names).map(([name, services]) => tokenOf(own, name, services));
    const tokens = new Tokens(bench, secrets, change);
    const writer = { vault: bench.vault, model: tokens.model, by: "keyplane.rotate" };
    for (const secret of secrets) {
      await writeSource(writer, secret, { fields: freshFields(secret, undefined, new Date()), after: 0 });
    }
    return tokens;
  }

  get(name: string): Secret {
    const found = this.secrets.find((secret) => secret.name === name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  }

  runner(more: Partial<Runner> = {}): Runner {
    return {
      vault: this.#bench.vault,
      model: this.model,
      by: "keyplane.rotate",
      report: () => {},
      signal: new AbortController().signal,
      host: { runs: "/nonexistent" },
      ...more,
    };
  }

  /**
   * A client that waits for `first` the first time that it is about to write something with this text in it.
   * @param inner whose rights it has, by default the rotation role's
   */
  before(text: string, first: () => Promise<unknown>, inner?: Vault): Vault {
    const asked = () => inner ?? this.#bench.vault;
    const vault = asked().with(asked().token);
    let isMet = false;
    const request: Vault["request"] = async (method, path, options) => {
      if (!isMet && method !== "GET" && `${path} ${JSON.stringify(options?.body)}`.includes(text)) {
        isMet = true;
        await first();
      }
      return asked().request<never>(method, path, options);
    };
    vault.request = request;
    return vault;
  }

  async journal(name: string): Promise<Journal | undefined> {
    return (await readJournal({ vault: this.#bench.vault, model: this.model }, this.get(name))).journal;
  }

  /** Changes what the journal says, as time or another runner would have. */
  async alter(name: string, change: Changes): Promise<void> {
    const at = { vault: this.#bench.vault, model: this.model };
    const { journal, version } = await readJournal(at, this.get(name));
    if (journal === undefined) throw new Error(`${name} has no journal`);
    await writeJournal(at, this.get(name), { ...journal, ...change } as Journal, version);
  }

  /** Rotations that a secret ever had. */
  async count(name: string): Promise<number> {
    const journal = await this.journal(name);
    return journal === undefined ? 0 : 1 + journal.history.length;
  }
}

/** Time passes as fast as somebody waits. @param ahead of this machine's, in milliseconds */
export function hasty(ahead = 0): Clock {
  let moved = ahead;
  return {
    now: () => new Date(Date.now() + moved),
    sleep: async (time) => {
      moved += time;
    },
  };
}

function tokenOf(own: string, name: string, services: string[]): Secret {
  return {
    id: `${own}/${name}`,
    system: own,
    name,
    owner: "ada",
    class: "critical",
    kind: "token",
    fields: ["token", "previous"],
    generator: { by: "machine", bytes: 32, encoding: "base64url" },
    rotate: { by: "machine", every: 43_200, overlap: 0, onCompromise: true },
    idle: { source: "none" },
    source: `source/${own}/${name}`,
    journal: `rotation/${own}/${name}`,
    evidence: `evidence/${own}/${name}`,
    stored: [],
    templates: {},
    consumers: services.map((service) => ({
      id: service,
      kind: "service",
      name: service,
      role: "reader",
      path: `services/${own}/${service.replace("/", "-")}/${name}`,
      as: { TOKEN: "token", TOKEN_BEFORE: "previous" },
      files: {},
    })),
  };
}
