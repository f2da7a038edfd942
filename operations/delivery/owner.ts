import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { DeliveryError } from "./sink.ts";

/** Whose files are: numbers of the host. */
export interface Owner {
  uid: number;
  /** Of a user name; a bare uid keeps the group of whoever writes, which mode 600 leaves without rights. */
  gid?: number;
}

/**
 * The owner of a service's files (R45): its user on this host, or whoever runs this where it names none.
 * @throws DeliveryError where the host has no such user
 */
export async function ownerOf(user: number | string | undefined): Promise<Owner> {
  if (user === undefined) return { uid: ownUid() };
  if (typeof user === "number") return { uid: user };
  return { uid: await idOf("-u", user), gid: await idOf("-g", user) };
}

/** The uid that this process acts as; -1 where the system has none. */
export function ownUid(): number {
  return process.geteuid?.() ?? -1;
}

/** @throws DeliveryError where this process may make no files that belong to `owner` */
export function assertMayOwn(path: string, { uid }: Owner): void {
  if (uid === ownUid() || ownUid() === 0 || ownUid() === -1) return;
  throw new DeliveryError(
    `${path} must belong to uid ${uid}, and uid ${ownUid()} may not give it away: run as that user or as root`,
  );
}

/** `id` asks whatever the host asks: files, LDAP, systemd. */
async function idOf(what: "-u" | "-g", user: string): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)("id", [what, "--", user]);
    const id = Number.parseInt(stdout, 10);
    if (Number.isSafeInteger(id)) return id;
  } catch {
    // Said below.
  }
  throw new DeliveryError(
    `this host has no user ${user}, whose the files would be: run on the service's own host, or create the user`,
  );
}
