import type { PathLike } from "node:fs";
import files from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import { dirname } from "node:path";
import type { NatsTarget } from "../../../model/model.ts";
import type { Count } from "./counted.ts";

/** What is done with a file that is being written. */
const writes = ["chown", "chmod", "writeFile", "utimes", "sync"] as const;

/**
 * Counts what goes to a nats-server beside HTTP: each step of writing its users file, its SIGHUP, and logins. Node's own
 * functions are exchanged, so that the code under test is the one that runs in production.
 * @param stack takes the exchange back
 */
export function countNats(stack: DisposableStack, { usersFile, servers }: NatsTarget, count: Count): void {
  const folder = dirname(usersFile);
  const isThere = (path: unknown) => dirname(String(path)) === folder;
  const ports = new Set(servers.map((server) => Number(new URL(server).port)));

  const open = files.open;
  exchange(stack, files, "open", async (path: PathLike, flags, mode) => {
    if (flags !== "wx" || !isThere(path)) return open(path, flags, mode);
    const file = await count("file open", () => open(path, flags, mode));
    for (const name of writes) {
      const write = file[name].bind(file) as (...given: unknown[]) => Promise<void>;
      Object.assign(file, { [name]: (...given: unknown[]) => count(`file ${name}`, () => write(...given)) });
    }
    return file;
  });
  const { rename, rm } = files;
  exchange(stack, files, "rename", (from, to) =>
    isThere(to) ? count("file rename", () => rename(from, to)) : rename(from, to),
  );
  exchange(stack, files, "rm", (path, options) =>
    isThere(path) ? count("file rm", () => rm(path, options)) : rm(path, options),
  );

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

function exchange<Of extends object, Name extends keyof Of>(
  stack: DisposableStack,
  of: Of,
  name: Name,
  by: Of[Name],
): void {
  const before = of[name];
  of[name] = by;
  syncBuiltinESMExports();
  stack.defer(() => {
    of[name] = before;
    syncBuiltinESMExports();
  });
}
