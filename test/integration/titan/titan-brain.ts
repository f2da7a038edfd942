/**
 * Signs messages with the key that it read at its start and sends each to every listener, at RATE a second. A connection
 * that breaks is no answer: the message is sent again. A refusal is one, and fails. What happened is told on standard
 * output, a line of JSON at a time.
 */
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const key = readFileSync(process.env.TITAN_HMAC_SECRET_PRIMARY_FILE ?? "", "utf8").trim();
const listeners = (process.env.LISTENERS ?? "").split(",");
const pause = 1000 / Number(process.env.RATE);
const agent = new Agent({ keepAlive: true, maxSockets: 16 });
/** Milliseconds for which a listener may be away while it restarts. */
const patience = 60_000;

const told = { accepted: 0, failed: 0, milliseconds: [] as number[] };
let stopped = false;
let underWay = 0;

function send(listener: string, body: Buffer, signature: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "x-titan-signature": signature, "x-titan-key-id": process.env.TITAN_HMAC_KEY_ID ?? "" };
    const sent = request(listener, { method: "POST", agent, headers }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

async function deliver(listener: string, number: number): Promise<void> {
  const body = Buffer.from(JSON.stringify({ signal: number, at: Date.now() }));
  const signature = createHmac("sha256", key).update(body).digest("hex");
  const began = performance.now();
  for (;;) {
    try {
      const status = await send(listener, body, signature);
      if (status === 204) told.accepted++;
      else told.failed++;
      break;
    } catch {
      if (performance.now() - began > patience) {
        told.failed++;
        break;
      }
      await sleep(10);
    }
  }
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
  for (const listener of listeners) {
    underWay++;
    deliver(listener, number).finally(() => underWay--);
  }
  const next = began + (number + 1) * pause * listeners.length - performance.now();
  await sleep(Math.max(0, next));
}
while (underWay > 0) await sleep(5);
tell();
process.exit(0);
