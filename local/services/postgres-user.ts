import { execFile } from "node:child_process";
import { chmod, chown, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { Report } from "../progress.ts";
import { ServiceError } from "./errors.ts";

/** Whom Postgres runs as: it refuses to run as root. */
export type PostgresUser =
  | { kind: "self" }
  /** Root, seen by Postgres as another user: a user namespace of its own. Files stay root's. */
  | { kind: "namespace"; wrapper: string[] }
  /** A user of the machine, where user namespaces are not to be had. */
  | { kind: "other"; name: string; uid: number; gid: number };

/**
 * Decides whom Postgres runs as.
 * @throws ServiceError where we are root and neither user namespaces nor a user for it are there.
 */
export async function choosePostgresUser({
  uid = process.getuid?.(),
  namespaces = true,
}: {
  uid?: number | undefined;
  namespaces?: boolean;
} = {}): Promise<PostgresUser> {
  if (uid !== 0) return { kind: "self" };
  const users = await machineUsers();
  const nobody = users.get("nobody");
  if (namespaces && nobody !== undefined) {
    const wrapper = ["unshare", "--user", `--map-user=${nobody.uid}`, `--map-group=${nobody.gid}`, "--"];
    try {
      const [file = "", ...args] = wrapper;
      await promisify(execFile)(file, [...args, "true"]);
      return { kind: "namespace", wrapper };
    } catch {
      // Not every container allows it, and util-linux may be too old or absent.
    }
  }
  for (const name of ["postgres", "nobody"]) {
    const user = users.get(name);
    if (user !== undefined) return { kind: "other", name, ...user };
  }
  throw new ServiceError(
    "Postgres does not run as root, and this machine has no user for it. Create one (`useradd postgres`), " +
      "or run keyplane as a user who is not root.",
  );
}

/** Lets the other user pass through the state folder (its group may enter, nobody may list) and own `paths`. */
export async function admitPostgresUser(
  user: PostgresUser,
  { root, paths, report }: { root: string; paths: string[]; report: Report },
): Promise<void> {
  if (user.kind !== "other") return;
  await chown(root, 0, user.gid);
  await chmod(root, 0o710);
  for (const path of paths) await chown(path, user.uid, user.gid);
  report({
    subject: "postgres",
    state: "progress",
    text: `runs as ${user.name}, since Postgres refuses root; that user's group may enter ${root} (mode 710)`,
  });
}

async function machineUsers(): Promise<Map<string, { uid: number; gid: number }>> {
  const users = new Map<string, { uid: number; gid: number }>();
  for (const line of (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n")) {
    const [name = "", , uid, gid] = line.split(":");
    if (uid !== undefined && gid !== undefined) users.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  return users;
}
