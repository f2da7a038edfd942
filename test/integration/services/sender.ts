import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** What was begun and has no answer yet. */
const underWay = new Set<Promise<void>>();

/** Resolves when all that is under way now has its answer. */
export async function settled(): Promise<void> {
  await Promise.all([...underWay]);
}

/** Milliseconds for which a listener may be away while it restarts. */
const patience = 60_000;

/**
 * Sends messages to each of LISTENERS, RATE a second in all, until it is told to end. A connection that breaks is no
 * answer: the message is sent again. A refusal is one, and fails. What happened is told on standard output, a line of JSON
 * at a time.
 * @param authorize headers that show who sends a body
 */
export async function send(authorize: (body: Buffer) => Promise<Record<string, string>>): Promise<never> {
  const listeners = (process.env.LISTENERS ?? "").split(",");
  const pause = (1000 / Number(process.env.RATE)) * listeners.length;
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const told = { accepted: 0, failed: 0, milliseconds: [] as number[] };
  let stopped = false;

  const post = (listener: string, body: Buffer, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      const sent = request(listener, { method: "POST", agent, headers }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
        response.on("error", reject);
      });
      sent.on("error", reject);
      sent.end(body);
    });
  const deliver = async (listener: string, number: number) => {
    const body = Buffer.from(JSON.stringify({ signal: number, at: Date.now() }));
    const headers = await authorize(body);
    const began = performance.now();
    for (;;) {
      try {
        if ((await post(listener, body, headers)) === 204) told.accepted++;
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
  };
  const tell = () => {
    console.log(JSON.stringify(told));
    told.accepted = told.failed = 0;
    told.milliseconds = [];
  };

  process.on("SIGTERM", () => {
    stopped = true;
  });
  console.log("ready");
  const began = performance.now();
  setInterval(tell, 200).unref();
  for (let number = 0; !stopped; number++) {
    for (const listener of listeners) {
      const sent: Promise<void> = deliver(listener, number).finally(() => underWay.delete(sent));
      underWay.add(sent);
    }
    await sleep(Math.max(0, began + (number + 1) * pause - performance.now()));
  }
  await settled();
  tell();
  process.exit(0);
}
