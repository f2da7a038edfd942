import type { AddressInfo } from "node:net";
import { createServer, connect as dial, type Server, type Socket } from "node:net";

/** A network between a client and a server on loopback that can fail as networks do. */
export class CutProxy {
  /**
   * `hang`: nothing passes any more, nobody is told. `cut`: once, what the server answers to a message that holds this
   * text never arrives, and the connection is gone: the server has acted.
   */
  mode: "pass" | "hang" | { cut: string } = "pass";
  /** How often it has cut. */
  cuts = 0;
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#join(client));
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket): void {
    const server = dial(this.#target, "127.0.0.1");
    let isCut = false;
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    client.on("data", (data) => {
      if (this.mode === "hang") return;
      if (typeof this.mode === "object" && data.includes(this.mode.cut)) {
        this.mode = "pass";
        isCut = true;
      }
      server.write(data);
    });
    server.on("data", (data) => {
      if (this.mode === "hang") return;
      if (!isCut) return void client.write(data);
      this.cuts++;
      client.destroy();
    });
  }
}
