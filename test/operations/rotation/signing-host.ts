import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { containerState } from "../../../operations/delivery/host.ts";

/** What a service has read. */
interface Keys {
  primary: string;
  secondary: string;
}

/**
 * A host with a listener that reads its key files at its start and at SIGHUP, and a signer that reads its env-file at its
 * start: what they read lies in real files, what they run is asked over HTTP, as are the commands of Compose.
 */
export class SigningHost {
  readonly root: string;
  readonly address: string;
  readonly #server: Server;
  readonly #running = new Map<string, { keys: Keys; started: Date }>();

  private constructor(root: string, server: Server) {
    this.root = root;
    this.#server = server;
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", async (request, response) => {
      let text = "";
      for await (const part of request) text += part;
      const end = (status: number, said = "") =>
        response.writeHead(status, { connection: "close" }).end(said);
      if (request.url === "/health") return void end(this.isAccepted() ? 200 : 503);
      const said = this.#command(JSON.parse(text) as string[]);
      end(said === undefined ? 500 : 200, said);
    });
  }

  static async open(): Promise<SigningHost> {
    const root = await mkdtemp(join(tmpdir(), "keyplane-signing-"));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new SigningHost(root, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.root, { recursive: true, force: true });
  }

  /** Starts a service with what lies there. @throws where that is no whole set of keys */
  start(name: string): void {
    this.#running.set(name, { keys: this.#read(name), started: new Date() });
  }

  /** Whether the listener accepts what the signer signs; before the signer runs, what it signs itself. */
  isAccepted(): boolean {
    const listener = this.#running.get("listener")?.keys;
    const signer = this.#running.get("signer")?.keys ?? listener;
    if (listener === undefined || signer === undefined) return false;
    return [listener.primary, listener.secondary].map(sign).includes(sign(signer.primary));
  }

  /** What a service runs. */
  runs(name: string): Keys | undefined {
    return this.#running.get(name)?.keys;
  }

  /** Files that were staged and never put in their place. */
  async staged(): Promise<string[]> {
    return (await readdir(this.root, { recursive: true })).filter((name) => name.endsWith(".tmp"));
  }

  #read(name: string): Keys {
    const at = (...path: string[]) => readFileSync(join(this.root, ...path), "utf8");
    const keys =
      name === "listener"
        ? { primary: at("listener", "primary"), secondary: at("listener", "secondary") }
        : { primary: parseEnv(at("signer", ".env")).PRIMARY ?? "", secondary: "none" };
    if (keys.primary.length !== 64)
      throw new Error(`${name} finds a key of ${keys.primary.length} characters`);
    return keys;
  }

  #command(argv: string[]): string | undefined {
    const name = argv.at(-1) ?? "";
    switch (argv.slice(0, -1).join(" ")) {
      case "docker compose up --detach --force-recreate --no-deps":
        this.start(name);
        return "";
      case "docker compose kill --signal SIGHUP": {
        const service = this.#running.get(name);
        if (service !== undefined) service.keys = this.#read(name);
        return "";
      }
      case "docker compose ps -q":
        return this.#running.has(name) ? `${name}\n` : "";
      case `docker inspect -f ${containerState}`:
        return `${this.#running.get(name)?.started.toISOString()} true false 0\n`;
      default:
        return undefined;
    }
  }
}

function sign(key: string): string {
  return createHmac("sha256", key).update("a signal").digest("hex");
}
