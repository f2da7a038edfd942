import { VaultError, type VaultResponse } from "../../clients/vault.ts";
import type { AuditEntry } from "../../operations/audit/normalise.ts";
import { AuditFile } from "../../operations/audit/reader.ts";
import type { LocalServices } from "../services/index.ts";

/** What the audit devices write while the tour goes on. */
export class AuditTrail {
  readonly #files: AuditFile[];

  private constructor(files: AuditFile[]) {
    this.#files = files;
  }

  static async follow({ vault }: Pick<LocalServices, "vault">): Promise<AuditTrail> {
    const paths = vault.auditDirectories.map((folder) => `${folder}/audit.log`);
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
    const [found, ...others] = await Promise.all(
      // A file that cannot be read has no entry: that is what is found out here.
      this.#files.map((file) => file.find(wanted).catch(() => undefined)),
    );
    return others.every((other) => other?.requestId === found?.requestId) ? found : undefined;
  }
}
