import { settingOf } from "../derive/systems.ts";
import type { Subject } from "./subject.ts";

/** Settings go to Git in the bootstrap: nothing that is a secret may stand among them (R3). */
export function checkSettings({ file, system }: Subject): void {
  const services = file.names("services");
  for (const [name, entry] of Object.entries(system.settings ?? {})) {
    const place = ["settings", name];
    const setting = settingOf(entry);
    for (const [index, service] of (setting.services ?? []).entries()) {
      file.checkReference([...place, "services", index], service, "a service of this system", services);
    }
    if (
      /(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIALS?|DSN|(API|ACCESS|PRIVATE|SECRET|ENCRYPTION|SIGNING)_KEY)$/.test(
        name,
      )
    ) {
      file.report(place, "has the name of a secret: declare it under secrets", "key");
    } else if (isCredential(String(setting.value))) {
      const at = typeof entry === "object" ? [...place, "value"] : place;
      file.report(
        at,
        "holds what looks like a credential: declare it under secrets and change it, it stood in a file",
      );
    }
  }
}

/** What is a credential without doubt: known prefixes, private keys, a password in an address. */
function isCredential(value: string): boolean {
  return (
    /:\/\/[^\s/@]*:[^\s/@]+@/.test(value) ||
    /^(AGE-SECRET-KEY-1|hvs\.|ghp_|gho_|ghs_|github_pat_|sk-|sk_live_|xox[abprs]-|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY)/.test(
      value,
    )
  );
}
