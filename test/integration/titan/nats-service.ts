/**
 * A service of titan on NATS: answers its colleagues' questions, and asks them at RATE a second. It reads its user and
 * password at its start, and again whenever their folder changes where WATCH is set: then it logs in anew before it
 * leaves the old connection.
 */
import { readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { atRate, settled } from "../services/at-rate.ts";

const userFile = process.env.TITAN_NATS_USER_FILE ?? "";
const passwordFile = process.env.TITAN_NATS_PASSWORD_FILE ?? "";

async function open(user: string, pass: string): Promise<NatsConnection> {
  const connection = await connect({
    servers: process.env.NATS ?? "",
    user,
    pass,
    name: process.env.NAME ?? "",
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  connection.subscribe("signals.ask", {
    queue: "titan",
    callback: (_error, message) => void message.respond(message.data),
  });
  await connection.flush();
  return connection;
}

function read(): [string, string] {
  return [readFileSync(userFile, "utf8"), readFileSync(passwordFile, "utf8")];
}

let held = read();
let connection = await open(...held);

if (process.env.WATCH !== undefined) {
  let moving = Promise.resolve();
  watch(dirname(userFile), () => {
    moving = moving.then(move).catch(() => {
      // A file is being replaced, user and password do not belong together yet: another event follows.
    });
  });
}

async function move(): Promise<void> {
  const found = read();
  if (found[0] === held[0] && found[1] === held[1]) return;
  const next = await connect({
    servers: process.env.NATS ?? "",
    user: found[0],
    pass: found[1],
    reconnect: false,
  });
  await next.close();
  const before = connection;
  connection = await open(...found);
  held = found;
  await settled();
  await before.drain();
}

await atRate(
  async (number) => {
    const answer = await connection.request("signals.ask", String(number), { timeout: 30_000 });
    return answer.string() === String(number);
  },
  () => connection.drain(),
);
