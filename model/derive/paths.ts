import type { ServiceEntry, System } from "../schema/system.ts";
import { physical } from "./context.ts";

/**
 * KV v2 logical paths, without the mount and without "data/". KV has one latest version per path, so each
 * consumer has a path of its own: that is how listeners get a new value before signers do.
 */
export function sourcePath(system: System, secret: string): string {
  return `source/${physical(system.system, system)}/${secret}`;
}

export function journalPath(system: System, secret: string): string {
  return `rotation/${physical(system.system, system)}/${secret}`;
}

/** What the next environment may read of a rotation that stayed healthy here (R25). */
export function evidencePath(system: System, secret: string): string {
  return `evidence/${physical(system.system, system)}/${secret}`;
}

/** Of an encryption key, under its transit name: that has a "." and no system's has, so that no secret is met. */
export function keyJournalPath(key: string): string {
  return `rotation/${key}`;
}

export function keyEvidencePath(key: string): string {
  return `evidence/${key}`;
}

export function servicePath(
  system: System,
  service: string,
  entry: ServiceEntry | undefined,
  secret: string,
): string {
  return `services/${physical(system.system, system)}/${physical(service, entry)}/${secret}`;
}

export function ciPath(system: System, job: string, secret: string): string {
  return `ci/${physical(system.system, system)}/${job}/${secret}`;
}

/** A Vault name: catalogue names joined by ".", which none of them can contain. */
export function joined(...names: string[]): string {
  return names.join(".");
}
