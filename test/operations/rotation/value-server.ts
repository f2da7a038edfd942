import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Fields } from "../../../operations/values/shape.ts";

/** Lets in whoever shows a value that it knows, over HTTP on loopback. It lives as long as its process, and holds it by nothing. */
export class ValueServer {
  readonly address: string;
  readonly #known = new Set<string>();

  private constructor(server: Server) {
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", async (request, response) => {
      let shown = "";
      for await (const part of request) shown += part;
      const isKnown = this.#known.has(shown);
      if (request.method === "DELETE") this.#known.delete(shown);
      response.writeHead(isKnown ? 204 : 401, { connection: "close" }).end();
    });
  }

  static async start(): Promise<ValueServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    server.unref();
    return new ValueServer(server);
  }

  /** A person makes one at it. */
  know(fields: Fields): void {
    this.#known.add(shownAs(fields));
  }

  /** It is started again with one value, which it reads then: no other is let in. */
  startWith(fields: Fields): void {
    this.#known.clear();
    this.know(fields);
  }
}

/** Whether a server lets a value in. */
export async function isLetIn(address: string, fields: Fields): Promise<boolean> {
  const { status } = await fetch(address, { method: "POST", body: shownAs(fields) });
  return status === 204;
}

/** As a person does in a provider's dashboard. Twice is harmless. */
export async function forget(address: string, fields: Fields): Promise<void> {
  await fetch(address, { method: "DELETE", body: shownAs(fields) });
}

/** Only what a value consists of, in one order. */
function shownAs(fields: Fields): string {
  return JSON.stringify(["key", "password", "secret"].map((name) => fields[name]));
}
