/**
 * A service of titan on NATS: answers its colleagues' questions, and asks them at RATE a second. It reads its user and
 * password at its start, and again whenever their folder changes where WATCH is set: then it logs in anew before it
 * leaves the old connection. What happened is told on standard output, a line of JSON at a time.
 */
import { readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type NatsConnection } from "@nats-io/transport-node";

const pause = 1000 / Number(process.env.RATE);
const userFile = process.env.TITAN_NATS_USER_FILE ?? "";
const passwordFile = process.env.TITAN_NATS_PASSWORD_FILE ?? "";

const told = { accepted: 0, failed: 0, milliseconds: [] as number[], why: [] as string[] };
let stopped = false;
let underWay = 0;

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
  while (underWay > 0) await sleep(1);
  await before.drain();
}

async function ask(number: number): Promise<void> {
  const began = performance.now();
  try {
    const answer = await connection.request("signals.ask", String(number), { timeout: 30_000 });
    if (answer.string() === String(number)) told.accepted++;
    else told.failed++;
  } catch (error) {
    told.failed++;
    told.why.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  }
  told.milliseconds.push(Math.round((performance.now() - began) * 100) / 100);
}

function tell(): void {
  console.log(JSON.stringify(told));
  told.accepted = told.failed = 0;
  told.milliseconds = [];
  told.why = [];
}

process.on("SIGTERM", () => {
  stopped = true;
});
console.log("ready");
const began = performance.now();
setInterval(tell, 200).unref();
for (let number = 0; !stopped; number++) {
  underWay++;
  ask(number).finally(() => underWay--);
  const next = began + (number + 1) * pause - performance.now();
  await sleep(Math.max(0, next));
}
while (underWay > 0) await sleep(5);
await connection.drain();
tell();
process.exit(0);
