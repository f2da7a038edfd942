import { createHash } from "node:crypto";
import { lstat, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Model, Service } from "../../model/model.ts";
import { ownerOf, ownUid } from "./owner.ts";
import { DeliveryError } from "./sink.ts";

/** Where `keyplane run` describes what it runs, and where that is looked for. */
export interface Runs {
  /** The folder of whoever runs this. */
  runs: string;
  /** Further folders in which a user's own descriptions may lie; none where absent. */
  runsOf?: (uid: number) => string[];
}

/** Whose services they are. */
export type Platform = Pick<Model, "environment"> & { vault: Pick<Model["vault"], "address"> };

/** A user's folders on this machine, the best one first: in memory, and the same wherever a command is started. */
function placesOf(uid: number, platform: string): string[] {
  const shared = ["/dev/shm", tmpdir()].map((folder) => join(folder, `keyplane-${uid}-${platform}`));
  return uid === 0 ? [`/run/keyplane-${platform}`, ...shared] : shared;
}

/** Two platforms may name environments and services alike: their Vaults tell them apart. */
function platformOf({ environment, vault }: Platform): string {
  return `${environment}-${createHash("sha256").update(vault.address).digest("hex").slice(0, 12)}`;
}

/**
 * The folders of this machine for an environment of one Vault: others may have its services' names as well. A rotation sees
 * there what `keyplane run` was started with in any other folder, by the same user or by the service's own.
 * @param home the state folder, where versions before 2026-11-29 kept their descriptions
 */
export async function machineRuns(home: string, of: Platform, places = placesOf): Promise<Runs> {
  const platform = platformOf(of);
  const before = join(home, "run");
  const runsOf = (uid: number) => [...places(uid, platform), before];
  for (const runs of places(ownUid(), platform)) {
    // There is no such place here, or it is not ours to write.
    await mkdir(runs, { mode: 0o700 }).catch(() => {});
    if (await isOf(runs, ownUid())) return { runs, runsOf };
  }
  return { runs: before, runsOf };
}

/**
 * The folders in which instances of a service are looked for. Only its own user, or whoever runs this, says what it runs:
 * what is said to run the new value has the old one revoked.
 */
export async function foldersFor({ runs, runsOf }: Runs, { user }: Pick<Service, "user">): Promise<string[]> {
  if (runsOf === undefined) return [runs];
  const folders = new Set([runs]);
  for (const uid of new Set([ownUid(), await uidOf(user)])) {
    if (uid === undefined) continue;
    for (const folder of runsOf(uid)) {
      if (await isOf(folder, uid)) folders.add(folder);
    }
  }
  return [...folders];
}

async function uidOf(user: Service["user"]): Promise<number | undefined> {
  try {
    return (await ownerOf(user)).uid;
  } catch (error) {
    if (error instanceof DeliveryError) return undefined;
    throw error;
  }
}

/** Whether a folder is a user's, and nobody else may write to it. */
async function isOf(path: string, uid: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) return false;
  return (uid === -1 || found.uid === uid) && (found.mode & 0o022) === 0;
}
