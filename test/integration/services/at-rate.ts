import { setTimeout as sleep } from "node:timers/promises";
import { piece, type Told } from "./told.ts";

/** Milliseconds between two looks at what is due, and between two lines. */
const look = 5;
const telling = 200;

const told: Told = {
  ...{ begun: 0, accepted: 0, failed: 0, connections: 0 },
  ...{ milliseconds: [], acceptedIn: [], why: [] },
};
const underWay = new Set<Promise<void>>();

/** A connection was opened. */
export function connected(): void {
  told.connections++;
}

/** Resolves when all that is under way now has its answer. */
export async function settled(): Promise<void> {
  await Promise.all([...underWay]);
}

/**
 * Makes RATE requests a second, however long each takes, until the process is told to end; then waits for what is under
 * way. What happened is told on standard output, a line of JSON at a time, after "ready".
 * @param ask whether the request was accepted; an error is a failure as well
 */
export async function atRate(
  ask: (number: number) => Promise<boolean>,
  close: () => Promise<void> = async () => {},
): Promise<never> {
  const pause = 1000 / Number(process.env.RATE);
  let stopped = false;
  process.on("SIGTERM", () => {
    stopped = true;
  });
  console.log("ready");
  setInterval(tell, telling).unref();
  const began = performance.now();
  for (let number = 0; !stopped; await sleep(look)) {
    for (; began + number * pause <= performance.now(); number++) begin(ask, number);
  }
  await settled();
  await close();
  tell();
  process.exit(0);
}

function begin(ask: (number: number) => Promise<boolean>, number: number): void {
  const began = performance.now();
  told.begun++;
  const asked: Promise<void> = ask(number)
    .then(
      (isAccepted) => {
        if (isAccepted) accept();
        else told.failed++;
      },
      (error: unknown) => {
        told.failed++;
        told.why.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
      },
    )
    .finally(() => {
      told.milliseconds.push(Math.round((performance.now() - began) * 100) / 100);
      underWay.delete(asked);
    });
  underWay.add(asked);
}

function accept(): void {
  told.accepted++;
  const now = Math.floor(Date.now() / piece);
  if (told.acceptedIn.at(-1) !== now) told.acceptedIn.push(now);
}

function tell(): void {
  console.log(JSON.stringify(told));
  told.begun = told.accepted = told.failed = told.connections = 0;
  told.milliseconds = [];
  told.acceptedIn = [];
  told.why = [];
}
