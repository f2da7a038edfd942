import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { PortTakenError, ServiceError } from "./errors.ts";

/** Below the ranges from which Linux and macOS take ports for outgoing connections: those come and go. */
const lowest = 20_000;
const highest = 32_000;

/** Whether a server could listen on 127.0.0.1 at this port now. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * Whether the port is free, or becomes so in `patience` milliseconds: a killed server with many threads is seen to
 * have ended some time before the kernel closes its sockets (65 ms were measured).
 */
export async function becomesFree(port: number, patience = 1_000): Promise<boolean> {
  for (const deadline = Date.now() + patience; ; await sleep(10)) {
    if (await isFree(port)) return true;
    if (Date.now() > deadline) return false;
  }
}

/**
 * Starts a server, again after `move` where another process took a port of it between its choice and its use.
 * @throws PortTakenError when that happens three times in a row
 */
export async function startOrMove(start: () => Promise<void>, move: () => Promise<void>): Promise<void> {
  for (let left = 2; ; left--) {
    try {
      return await start();
    } catch (error) {
      if (left === 0 || !(error instanceof PortTakenError)) throw error;
      await move();
    }
  }
}

/** A free port of 127.0.0.1 that is none of `taken`. */
export async function freePort(taken: Iterable<number>): Promise<number> {
  const excluded = new Set(taken);
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(lowest, highest);
    if (!excluded.has(port) && (await isFree(port))) return port;
  }
  throw new ServiceError(
    `No free port between ${lowest} and ${highest} on 127.0.0.1. Stop what occupies them, then try again.`,
  );
}
