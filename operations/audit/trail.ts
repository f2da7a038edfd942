import { VaultError, type VaultResponse } from "../../clients/vault.ts";
import type { AuditEntry } from "./normalise.ts";
import { AuditFile } from "./reader.ts";

/** Where an audit device's lines can be looked up. */
interface Source {
  find(wanted: Partial<AuditEntry>): Promise<AuditEntry | undefined>;
}

/** What the audit devices write from now on: in files that can be read from here, or where they are collected. */
export class AuditTrail {
  readonly #sources: readonly Source[];

  private constructor(sources: readonly Source[]) {
    this.#sources = sources;
  }

  /** @param collected further devices, whose lines lie elsewhere */
  static async follow(paths: readonly string[], collected: readonly Source[] = []): Promise<AuditTrail> {
    const files = await Promise.all(paths.map((path) => AuditFile.fromEnd(path)));
    // A file that cannot be read has no entry: that is what is found out here.
    const read = files.map((file) => ({
      find: (wanted: Partial<AuditEntry>) => file.find(wanted).catch(() => undefined),
    }));
    return new AuditTrail([...read, ...collected]);
  }

  /**
   * The entry of a request that was answered a moment ago; undefined when not every device has it within two seconds,
   * or a minute where it is collected.
   * A device that was unusable when Vault started stays silent until Vault starts again, and nothing else tells.
   * @param who asked: Vault's refusals carry no request id, so theirs is found by path and role
   */
  async of(answer: VaultResponse<unknown> | VaultError, who: string): Promise<AuditEntry | undefined> {
    const wanted =
      answer instanceof VaultError ? { path: answer.path, who } : { requestId: answer.request_id };
    return this.find(wanted);
  }

  /**
   * The first entry that has all that is wanted of it, of a request that somebody else made: in files, since the trail is
   * followed.
   */
  async find(wanted: Partial<AuditEntry>): Promise<AuditEntry | undefined> {
    const [found, ...others] = await Promise.all(this.#sources.map((source) => source.find(wanted)));
    return others.every((other) => other?.requestId === found?.requestId) ? found : undefined;
  }
}
