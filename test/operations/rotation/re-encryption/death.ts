import type { Vault } from "../../../../clients/vault.ts";
import type { Reach } from "../../../../operations/rotation/rotator.ts";

/** A runner that is killed right before or after one of its statements and requests, and does nothing any more. */
export class Death {
  happened = false;
  #moment = 0;
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  vault(vault: Vault): Vault {
    const dying = vault.with(vault.token);
    dying.request = (...request) => this.#act(() => vault.request(...request));
    return dying;
  }

  reach(reach: Reach): Reach {
    return {
      ...reach,
      manage: async (database) => {
        const connection = await this.#act(() => reach.manage(database));
        return {
          query: (text, values) => this.#act(() => connection.query(text, values)),
          // The server sees that a killed runner is gone.
          end: () => connection.end(),
        };
      },
    };
  }

  async #act<T>(call: () => Promise<T>): Promise<T> {
    this.#pass();
    const answer = await call();
    this.#pass();
    return answer;
  }

  #pass(): void {
    if (this.happened || ++this.#moment === this.#at) {
      this.happened = true;
      throw new Error("killed");
    }
  }
}
