import { VaultError, type VaultResponse } from "../../clients/vault.ts";
import type { AuditEntry } from "./normalise.ts";
import { AuditFile } from "./reader.ts";

/** What the audit devices write from now on, in files that can be read from here. */
export class AuditTrail {
  readonly #files: AuditFile[];

  private constructor(files: AuditFile[]) {
    this.#files = files;
  }

  static async follow(paths: readonly string[]): Promise<AuditTrail> {
    return new AuditTrail(await Promise.all(paths.map((path) => AuditFile.fromEnd(path))));
  }

  /**
   * The entry of a request that was answered a moment ago; undefined when not every device has it within two seconds.
   * A device that was unusable when Vault started stays silent until Vault starts again, and nothing else tells.
   * @param who asked: Vault's refusals carry no request id, so theirs is found by path and role
   */
  async of(answer: VaultResponse<unknown> | VaultError, who: string): Promise<AuditEntry | undefined> {
    const wanted =
      answer instanceof VaultError ? { path: answer.path, who } : { requestId: answer.request_id };
    return this.find(wanted);
  }

  /** The first entry since the trail is followed that has all that is wanted of it, of a request that somebody else made. */
  async find(wanted: Partial<AuditEntry>): Promise<AuditEntry | undefined> {
    const [found, ...others] = await Promise.all(
      // A file that cannot be read has no entry: that is what is found out here.
      this.#files.map((file) => file.find(wanted).catch(() => undefined)),
    );
    return others.every((other) => other?.requestId === found?.requestId) ? found : undefined;
  }
}
