import { setTimeout as wait } from "node:timers/promises";
import type { AuditEntry } from "../../operations/audit/normalise.ts";
import { AuditFile } from "../../operations/audit/reader.ts";
import type { LocalServices } from "../services/index.ts";

interface Followed {
  file: AuditFile;
  unread: AuditEntry[];
}

/** What the audit devices write while the tour goes on. */
export class AuditTrail {
  readonly #devices: Followed[];

  private constructor(devices: Followed[]) {
    this.#devices = devices;
  }

  static async follow({ vault }: LocalServices): Promise<AuditTrail> {
    return new AuditTrail(
      await Promise.all(
        vault.auditDirectories.map(async (folder) => ({
          file: await AuditFile.fromEnd(`${folder}/audit.log`),
          unread: [],
        })),
      ),
    );
  }

  /**
   * The newest entry of a path since the last question; undefined when not every device has it within two seconds.
   * A device that was unusable when Vault started stays silent until Vault starts again, and nothing else tells.
   */
  async latest(path: string): Promise<AuditEntry | undefined> {
    for (const end = Date.now() + 2000; ; await wait(25)) {
      for (const device of this.#devices) device.unread.push(...(await entriesOf(device)));
      const [found, ...others] = this.#devices.map(({ unread }) =>
        unread.findLast((entry) => entry.path === path),
      );
      if (found !== undefined && others.every((other) => other?.requestId === found.requestId)) {
        for (const device of this.#devices) device.unread = [];
        return found;
      }
      if (Date.now() >= end) return undefined;
    }
  }
}

/** None from a file that cannot be read: that is what is found out here. */
async function entriesOf({ file }: Followed): Promise<AuditEntry[]> {
  try {
    return await file.read();
  } catch {
    return [];
  }
}
