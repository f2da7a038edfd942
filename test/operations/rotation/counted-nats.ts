import net from "node:net";
import { dirname } from "node:path";
import type { NatsTarget } from "../../../model/model.ts";
import type { Count } from "./counted.ts";
import { countFiles, exchange } from "./counted-files.ts";

/**
 * Counts what goes to a nats-server beside HTTP: each step of writing its users file, its SIGHUP, and logins. Node's own
 * functions are exchanged, so that the code under test is the one that runs in production.
 * @param stack takes the exchange back
 */
export function countNats(stack: DisposableStack, { usersFile, servers }: NatsTarget, count: Count): void {
  const folder = dirname(usersFile);
  const isThere = (path: unknown) => dirname(String(path)) === folder;
  const ports = new Set(servers.map((server) => Number(new URL(server).port)));

  countFiles(stack, isThere, count);

  const kill = process.kill.bind(process);
  exchange(stack, process, "kill", (pid, signal) => {
    if (signal !== "SIGHUP") return kill(pid, signal);
    void count("SIGHUP", async () => kill(pid, signal));
    return true;
  });

  const connect = net.createConnection as (...given: unknown[]) => net.Socket;
  const connecting = (...given: unknown[]): net.Socket => {
    const [to] = given;
    const port = typeof to === "object" && to !== null && "port" in to ? Number(to.port) : Number(to);
    if (!ports.has(port)) return connect(...given);
    let socket: net.Socket | undefined;
    // It begins before anything is awaited.
    void count("login", async () => {
      socket = connect(...given);
    });
    if (socket === undefined) throw new Error("killed before it logged in");
    return socket;
  };
  exchange(stack, net, "createConnection", connecting as typeof net.createConnection);
  exchange(stack, net, "connect", connecting as typeof net.connect);
}
