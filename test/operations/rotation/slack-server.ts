import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { StandIn } from "./stand-in.ts";

/** Slack's webhooks and auth.test as others meet them, over real HTTP; `fetch` reaches it under Slack's own names. */
export class SlackServer extends StandIn {
  readonly webhooks = new Set<string>();
  /** Token → scopes. */
  readonly tokens = new Map<string, string[]>();
  /** Messages that were posted. */
  readonly messages: string[] = [];
  status: number | undefined;

  static async start(): Promise<SlackServer> {
    return new SlackServer().listen();
  }

  /** A webhook that somebody adds in the app's settings. */
  addWebhook(): string {
    const url = `https://hooks.slack.com/services/T0000/B0000/${randomBytes(18).toString("base64url")}`;
    this.webhooks.add(url);
    return url;
  }

  get fetch(): typeof fetch {
    return (url, init) => {
      const { origin, pathname } = new URL(String(url));
      if (!["https://hooks.slack.com", "https://slack.com"].includes(origin))
        throw new Error(`who is ${origin}?`);
      return fetch(`${this.origin}${pathname}`, init);
    };
  }

  protected async serve(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
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
  }
}
