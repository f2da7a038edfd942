import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

/** Sockets of IPv4, and of IPv6 for a client that writes 127.0.0.1 as ::ffff:127.0.0.1. */
const tables = ["/proc/net/tcp", "/proc/net/tcp6"];

/**
 * Whether the other end of a connection on 127.0.0.1 belongs to a user, by the system's own table of sockets: a port
 * has no permissions, so every user of a machine can connect. True where there is no such table (not Linux).
 */
export function isOf(uid: number, { localPort, remotePort }: Socket): boolean {
  const read = tables.flatMap((file) => {
    try {
      return [readFileSync(file, "utf8")];
    } catch {
      return [];
    }
  });
  if (read.length === 0) return true;
  if (localPort === undefined || remotePort === undefined) return false;
  return read.some((table) => ownerOf(table, remotePort, localPort) === uid);
}

/**
 * The user whose open socket leads from one port of 127.0.0.1 to another; undefined where there is none. One that
 * its process has closed has no owner any more: the table says inode 0, and user 0 whoever it was.
 * See https://docs.kernel.org/networking/proc_net_tcp.html
 */
export function ownerOf(table: string, from: number, to: number): number | undefined {
  for (const line of table.split("\n").slice(1)) {
    const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/);
    if (!isAt(local, from) || !isAt(remote, to) || state !== established || inode === "0") continue;
    return Number(uid);
  }
  return undefined;
}

const established = "01";

/** 127.0.0.1 as the kernel prints it, in the byte order of a small-endian machine or of a big-endian one. */
const loopback = /^(?:0{16}(?:FFFF0000|0000FFFF))?(?:0100007F|7F000001)$/;

function isAt(address: string | undefined, port: number): boolean {
  const [host = "", hex = ""] = address?.split(":") ?? [];
  return loopback.test(host) && Number.parseInt(hex, 16) === port;
}
