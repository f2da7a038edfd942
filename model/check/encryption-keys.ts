import { seconds } from "../duration.ts";
import { encryptionKeyBounds } from "../kinds.ts";
import { checkStored, duration } from "./secrets.ts";
import type { Subject } from "./subject.ts";

/** Keys rotate often enough (R17) and keep old versions long enough (R22), for services that exist. Problems are reported. */
export function checkEncryptionKeys({ file, system, declared }: Subject): void {
  const services = file.names("services");
  for (const [name, entry] of Object.entries(system["encryption-keys"] ?? {})) {
    const place = ["encryption-keys", name];
    if (entry.owner !== undefined)
      file.checkReference([...place, "owner"], entry.owner, "a person", declared?.people);
    const every = seconds(entry.rotate.every);
    if (every > encryptionKeyBounds.every) {
      file.reportValue(
        [...place, "rotate", "every"],
        `write at most ${duration(encryptionKeyBounds.every)} (R17)`,
      );
    } else if (every < 3600) {
      file.reportValue([...place, "rotate", "every"], "write at least 1h, Vault's own limit");
    }
    if (seconds(entry.retain) < encryptionKeyBounds.retain) {
      file.reportValue([...place, "retain"], `write at least ${duration(encryptionKeyBounds.retain)} (R22)`);
    }
    checkStored({ file }, [...place, "stored"], entry.stored);
    for (const service of Object.keys(entry.consumers ?? {})) {
      file.checkReference(
        [...place, "consumers", service],
        service,
        "a service of this system",
        services,
        "key",
      );
    }
  }
}
