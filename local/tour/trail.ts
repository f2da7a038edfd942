import { setTimeout as wait } from "node:timers/promises";
import type { AuditEntry } from "../../operations/audit/normalise.ts";
import { AuditFile } from "../../operations/audit/reader.ts";
import type { LocalServices } from "../services/index.ts";

/** What the audit device writes while the tour goes on. */
export class AuditTrail {
  readonly #file: AuditFile;
  #unread: AuditEntry[] = [];

  private constructor(file: AuditFile) {
    this.#file = file;
  }

  static async follow({ vault }: LocalServices): Promise<AuditTrail> {
    return new AuditTrail(await AuditFile.fromEnd(`${vault.auditDirectories[0]}/audit.log`));
  }

  /** The newest entry of a path since the last question; undefined when none comes within two seconds. */
  async latest(path: string): Promise<AuditEntry | undefined> {
    for (const end = Date.now() + 2000; ; await wait(25)) {
      this.#unread.push(...(await this.#file.read()));
      const found = this.#unread.findLast((entry) => entry.path === path);
      if (found !== undefined) this.#unread = [];
      if (found !== undefined || Date.now() >= end) return found;
    }
  }
}
