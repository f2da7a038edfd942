import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Slack's webhooks and auth.test as others meet them, over real HTTP; `fetch` reaches it under Slack's own names. */
export class SlackServer implements AsyncDisposable {
  readonly webhooks = new Set<string>();
  /** Token → scopes. */
  readonly tokens = new Map<string, string[]>();
  /** Messages that were posted. */
  readonly messages: string[] = [];
  status: number | undefined;
  readonly #server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    if (this.status !== undefined) return void response.writeHead(this.status).end("trouble");
    if (request.url === "/api/auth.test") {
      const scopes = this.tokens.get((request.headers.authorization ?? "").replace("Bearer ", ""));
      response.setHeader("content-type", "application/json");
      if (scopes === undefined)
        return void response.end(JSON.stringify({ ok: false, error: "token_revoked" }));
      response.setHeader("x-oauth-scopes", scopes.join(","));
      return void response.end(JSON.stringify({ ok: true, team: "acme" }));
    }
    if (!this.webhooks.has(`https://hooks.slack.com${request.url}`)) {
      return void response.writeHead(404).end("no_service");
    }
    const { text } = JSON.parse(body) as { text?: string };
    if (text === undefined) return void response.writeHead(400).end("no_text");
    this.messages.push(text);
    response.end("ok");
  });

  static async start(): Promise<SlackServer> {
    const made = new SlackServer();
    await new Promise<void>((resolve) => made.#server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  /** A webhook that somebody adds in the app's settings. */
  addWebhook(): string {
    const url = `https://hooks.slack.com/services/T0000/B0000/${randomBytes(18).toString("base64url")}`;
    this.webhooks.add(url);
    return url;
  }

  get fetch(): typeof fetch {
    const { port } = this.#server.address() as AddressInfo;
    return (url, init) => {
      const { origin, pathname } = new URL(String(url));
      if (!["https://hooks.slack.com", "https://slack.com"].includes(origin))
        throw new Error(`who is ${origin}?`);
      return fetch(`http://127.0.0.1:${port}${pathname}`, init);
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
