import { chmod, mkdir, readdir, realpath, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type HoldOptions, hold } from "../lock.ts";
import { HomeError } from "./errors.ts";
import { isMissing, readIfThere, writePrivate } from "./private-file.ts";

const markerText =
  "This folder belongs to keyplane's local stack. `keyplane down --delete` removes it and everything in it.\n";

/** Where everything of the local services lies. Paths only; nothing is touched. */
export function layout(home: string) {
  const root = resolve(home);
  return {
    root,
    marker: join(root, "keyplane-home.txt"),
    lock: join(root, "services.lock"),
    upLock: join(root, "up.lock"),
    processes: join(root, "processes.json"),
    logs: join(root, "logs"),
    audit: [join(root, "audit", "first"), join(root, "audit", "second")] as [string, string],
    tls: {
      folder: join(root, "tls"),
      ca: join(root, "tls", "ca.pem"),
      caWithKey: join(root, "tls", "ca-with-key.pem"),
      leaf: (service: string) => join(root, "tls", `${service}.pem`),
    },
    vault: {
      folder: join(root, "vault"),
      settings: join(root, "vault", "server.json"),
      raft: join(root, "vault", "raft"),
      keys: join(root, "vault", "keys.json"),
      initialising: join(root, "vault", "initialising.json"),
    },
    postgres: {
      folder: join(root, "postgres"),
      data: join(root, "postgres", "data"),
      /** Data folders are made under such a name and a number of their own. */
      unfinished: join(root, "postgres", "unfinished-"),
      password: join(root, "postgres", "superuser.password"),
      /** Only where Postgres runs as another user. */
      certificate: join(root, "postgres", "server.pem"),
      initialPassword: join(root, "postgres", "initdb.password"),
    },
    issuer: {
      folder: join(root, "issuer"),
      key: join(root, "issuer", "key.json"),
      settings: join(root, "issuer", "settings.json"),
    },
    aws: {
      folder: join(root, "aws"),
      settings: join(root, "aws", "settings.json"),
      /** Code of functions while they run. */
      temporary: join(root, "aws", "tmp"),
      /** Which process of the emulator the last update built. */
      built: join(root, "aws", "built"),
    },
    kubernetes: {
      folder: join(root, "kubernetes"),
      data: join(root, "kubernetes", "etcd"),
      etcdSettings: join(root, "kubernetes", "etcd.json"),
      accountKey: join(root, "kubernetes", "service-accounts.pem"),
      tokens: join(root, "kubernetes", "tokens.csv"),
    },
  };
}

/**
 * Makes the state folder (mode 700) and marks it as ours. Returns its real path.
 * @throws HomeError when it holds files and is not marked: it is someone else's.
 */
export async function prepareHome(home: string): Promise<string> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const root = await realpath(home);
  const { marker } = layout(root);
  if ((await readIfThere(marker)) === undefined) {
    const foreign = (await readdir(root)).filter((name) => !ours.test(name));
    if (foreign.length > 0) {
      throw new HomeError(
        `${root} holds files that keyplane did not make (${foreign.slice(0, 3).join(", ")}…). ` +
          "Choose an empty or new folder with KEYPLANE_HOME.",
      );
    }
    await writePrivate(marker, markerText);
  }
  const { mode } = await stat(root);
  // The group may pass through where Postgres runs as another user; see postgres-user.ts.
  if ((mode & 0o067) !== 0) await chmod(root, 0o700);
  return root;
}

/** What a command may have put there before the first start marked the folder, or while it was being marked. */
const ours = /^((up|services)\.lock(-journal|\.holder)?|keyplane-home\.txt\..*\.tmp)$/;

/** Removes what a killed command left half-written; what it held (keys, settings) was never in use. */
export async function removeLeftovers(home: string): Promise<void> {
  const { root, tls, vault, postgres, issuer, aws } = layout(home);
  for (const folder of [root, tls.folder, vault.folder, postgres.folder, issuer.folder, aws.folder]) {
    for (const name of await readdir(folder).catch(() => [])) {
      // The mark is written before anything is held: its temporary file may be in use.
      const path = join(folder, name);
      if (/^(?!keyplane-home).*\.[0-9a-f]{12}\.tmp$/.test(name)) await rm(path, { force: true });
      // The program of a killed start may still write there for a moment: then the next start removes it.
      if (path.startsWith(postgres.unfinished))
        await rm(path, { recursive: true, force: true }).catch(() => {});
    }
  }
  await rm(postgres.initialPassword, { force: true });
}

/**
 * Removes the state folder and everything in it.
 * @throws HomeError when it is not marked as ours.
 */
export async function deleteHome(home: string): Promise<void> {
  const { root, marker } = layout(home);
  if ((await readIfThere(marker)) === undefined) {
    throw new HomeError(
      `${root} was not made by keyplane (it has no keyplane-home.txt), so it is not deleted. ` +
        "Check KEYPLANE_HOME; remove the folder by hand if it really is meant.",
    );
  }
  // The marker goes last, so that a deletion that was cut short can be repeated.
  for (const name of await readdir(root)) {
    if (join(root, name) !== marker) await rm(join(root, name), insistent);
  }
  await rm(root, insistent);
}

/** What a killed command started may still write for a moment. */
const insistent = { recursive: true, force: true, maxRetries: 10, retryDelay: 100 };

/** Holds the services of a state folder; `hold` says how. */
export async function holdServices(home: string, options: HoldOptions): Promise<Disposable> {
  return hold(layout(home).lock, "services", options);
}

/** Holds the whole stack of a state folder, which an `up` builds and a `down` takes away. */
export async function holdStack(home: string, options: HoldOptions): Promise<Disposable> {
  return hold(layout(home).upLock, "local stack", options);
}

/** Whether there is a state folder of ours at all. */
export async function isHome(home: string): Promise<boolean> {
  try {
    return (await readIfThere(layout(home).marker)) !== undefined;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
