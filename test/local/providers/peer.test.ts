import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { isOf, ownerOf } from "../../../local/providers/peer.ts";

const heading =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

/** A line as the kernel prints it. */
function line(local: string, remote: string, uid: number, { state = "01", inode = 972994 } = {}): string {
  return `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000 ${uid}        0 ${inode} 1 00000000df25d52b 100 0 0 10 0`;
}

const from = "0100007F:9C40";
const to = "0100007F:1F90";
const owner = (...lines: string[]) => ownerOf([heading, ...lines, ""].join("\n"), 40_000, 8080);

test("finds the user whose socket leads here, and not the one whose socket we are", () => {
  assert.equal(owner(line(to, from, 1000), line(from, to, 1001)), 1001);
  assert.equal(owner(line(to, from, 1000)), undefined);
});

test("reads addresses of IPv6 that mean 127.0.0.1, and those of big-endian machines", () => {
  const mapped = "0000000000000000FFFF0000";
  assert.equal(owner(line(`${mapped}${from}`, `${mapped}${to}`, 1001)), 1001);
  assert.equal(owner(line("7F000001:9C40", "7F000001:1F90", 1001)), 1001);
});

test("takes no other connection for it: another port, another address, one that only listens", () => {
  assert.equal(owner(line("0100007F:9C41", to, 1001)), undefined);
  assert.equal(owner(line(from, "0100007F:1F91", 1001)), undefined);
  assert.equal(owner(line("0200007F:9C40", to, 1001)), undefined);
  assert.equal(owner(line(from, to, 1001, { state: "0A" })), undefined);
});

test("takes a socket that was closed for nobody's, also where the table says user 0", () => {
  assert.equal(owner(line(from, to, 0, { inode: 0 })), undefined);
  assert.equal(owner(line(from, to, 0, { state: "05" })), undefined);
  assert.equal(owner(""), undefined);
});

let ours: Socket;
let accepted: Socket;
let close: () => Promise<unknown>;

before(async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const arrived = new Promise<Socket>((resolve) => server.once("connection", resolve));
  ours = createConnection({ host: "127.0.0.1", port });
  accepted = await arrived;
  close = () => new Promise((resolve) => server.close(resolve));
});
after(async () => {
  ours.destroy();
  accepted.destroy();
  await close();
});

test("a connection of our own is ours, and nobody else's where the system has a table", () => {
  const uid = process.getuid?.() ?? 0;
  assert.equal(isOf(uid, accepted), true);
  assert.equal(isOf(uid + 1, accepted), !existsSync("/proc/net/tcp"));
});
