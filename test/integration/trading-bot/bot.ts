/**
 * A client of the exchange: keeps its key in memory and calls at RATE a second. Where WATCH is set it reads the key again
 * whenever its folder changes, otherwise at its start alone. What happened is told on standard output, a line of JSON at a
 * time.
 */
import { readFileSync, watch } from "node:fs";
import { Agent, request } from "node:http";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const pause = 1000 / Number(process.env.RATE);
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const told = { accepted: 0, failed: 0, milliseconds: [] as number[] };
let stopped = false;
let underWay = 0;

function read(): string {
  const [key, secret] = [process.env.EXCHANGE_API_KEY_FILE, process.env.EXCHANGE_API_SECRET_FILE].map(
    (file) => readFileSync(file ?? "", "utf8"),
  );
  return `Basic ${Buffer.from(`${key}:${secret}`).toString("base64")}`;
}

let authorization = read();

if (process.env.WATCH !== undefined) {
  // Both files belong to one version once the manifest, which is written last, is there.
  watch(dirname(process.env.EXCHANGE_API_KEY_FILE ?? ""), (_event, file) => {
    if (file === ".keyplane.json") authorization = read();
  });
}

function order(): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization, "user-agent": process.env.NAME ?? "" };
    const sent = request(process.env.EXCHANGE ?? "", { agent, headers }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end();
  });
}

async function call(): Promise<void> {
  const began = performance.now();
  const status = await order().catch(() => 0);
  if (status === 200) told.accepted++;
  else told.failed++;
  told.milliseconds.push(Math.round((performance.now() - began) * 100) / 100);
}

function tell(): void {
  console.log(JSON.stringify(told));
  told.accepted = told.failed = 0;
  told.milliseconds = [];
}

process.on("SIGTERM", () => {
  stopped = true;
});
console.log("ready");
const began = performance.now();
setInterval(tell, 200).unref();
for (let number = 0; !stopped; number++) {
  underWay++;
  call().finally(() => underWay--);
  await sleep(Math.max(0, began + (number + 1) * pause - performance.now()));
}
while (underWay > 0) await sleep(5);
tell();
process.exit(0);
