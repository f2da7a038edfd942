import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { StandIn } from "./stand-in.ts";

/** What hits a request: before or after Slack has acted, or instead of it. */
export type SlackFault =
  | { kind: "lost" }
  | { kind: "word"; error: string }
  | { kind: "status"; status: number; retryAfter?: number };

/**
 * Slack's webhooks and methods as others meet them, over real HTTP; `fetch` reaches it under Slack's own names. Its one app
 * has token rotation: https://docs.slack.dev/authentication/using-token-rotation.
 */
export class SlackServer extends StandIn {
  readonly webhooks = new Set<string>();
  /** Token → scopes, of those that live; the oldest first. */
  readonly tokens = new Map<string, string[]>();
  /** Refresh token → when it was used (milliseconds), of those that were not revoked. */
  readonly refreshTokens = new Map<string, number | undefined>();
  readonly client = { id: "2141029472.69", secret: randomBytes(16).toString("hex") };
  /** Milliseconds for which a used refresh token is still taken. */
  grace = 60_000;
  bot = "U0BOT";
  scopes = ["chat:write", "users:read"];
  /** Every token and refresh token that was ever given out. */
  readonly given: string[] = [];
  /** Messages that were posted. */
  readonly messages: string[] = [];
  /** Methods that were called. */
  readonly served: string[] = [];
  /** Calls of clients whose token does not live; Slack answers them with 200 as well. */
  refused = 0;
  status: number | undefined;
  fault: ((method: string) => SlackFault | undefined) | undefined;

  static async start(): Promise<SlackServer> {
    return new SlackServer().listen();
  }

  get address(): string {
    return `${this.origin}/api`;
  }

  /** A webhook that somebody adds in the app's settings. */
  addWebhook(): string {
    const url = `https://hooks.slack.com/services/T0000/B0000/${randomBytes(18).toString("base64url")}`;
    this.webhooks.add(url);
    return url;
  }

  /** What installing the app, or exchanging a refresh token, gives. More than two tokens do not live: the oldest ends. */
  issue(): { token: string; refreshToken: string } {
    const token = `xoxe.xoxb-1-${randomBytes(20).toString("hex")}`;
    const refreshToken = `xoxe-1-${randomBytes(20).toString("hex")}`;
    this.tokens.set(token, this.scopes);
    this.refreshTokens.set(refreshToken, undefined);
    this.given.push(token, refreshToken);
    while (this.tokens.size > 2) this.tokens.delete([...this.tokens.keys()][0] ?? "");
    return { token, refreshToken };
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
    const method = /^\/api\/([\w.]+)$/.exec(request.url ?? "")?.[1];
    if (method !== undefined) return this.#method(method, request, response, body);
    if (!this.webhooks.has(`https://hooks.slack.com${request.url}`)) {
      return void response.writeHead(404).end("no_service");
    }
    const { text } = JSON.parse(body) as { text?: string };
    if (text === undefined) return void response.writeHead(400).end("no_text");
    this.messages.push(text);
    response.end("ok");
  }

  #method(method: string, request: IncomingMessage, response: ServerResponse, body: string): void {
    this.served.push(method);
    response.setHeader("content-type", "application/json");
    const fault = this.fault?.(method);
    if (fault?.kind === "status") {
      if (fault.retryAfter !== undefined) response.setHeader("retry-after", fault.retryAfter);
      return void response
        .writeHead(fault.status)
        .end(JSON.stringify({ ok: false, error: fault.status === 429 ? "ratelimited" : "fatal_error" }));
    }
    if (fault?.kind === "word") return void response.end(JSON.stringify({ ok: false, error: fault.error }));
    const authorization = request.headers.authorization ?? "";
    const token = authorization.replace("Bearer ", "");
    const answer = this.#answer(method, { authorization, token, body });
    if (fault?.kind === "lost") return void response.destroy();
    if (method === "auth.test")
      response.setHeader("x-oauth-scopes", (this.tokens.get(token) ?? []).join(","));
    response.end(JSON.stringify(answer));
  }

  #answer(method: string, asked: { authorization: string; token: string; body: string }): object {
    const { authorization, token, body } = asked;
    if (method === "oauth.v2.access") {
      const { id, secret } = this.client;
      if (authorization !== `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`)
        return { ok: false, error: "bad_client_secret" };
      const form = new URLSearchParams(body);
      if (form.get("grant_type") !== "refresh_token") return { ok: false, error: "invalid_grant_type" };
      const refreshToken = form.get("refresh_token") ?? "";
      const used = this.refreshTokens.get(refreshToken);
      const isLive =
        this.refreshTokens.has(refreshToken) && (used === undefined || used + this.grace >= Date.now());
      if (!isLive) return { ok: false, error: "invalid_refresh_token" };
      this.refreshTokens.set(refreshToken, used ?? Date.now());
      const made = this.issue();
      return {
        ...{ ok: true, access_token: made.token, expires_in: 43_200, refresh_token: made.refreshToken },
        ...{ token_type: "bot", scope: this.scopes.join(","), bot_user_id: this.bot },
      };
    }
    if (!this.tokens.has(token)) {
      if (!method.startsWith("auth.")) this.refused++;
      return { ok: false, error: "token_revoked" };
    }
    if (method === "auth.revoke") {
      this.tokens.delete(token);
      return { ok: true, revoked: true };
    }
    return { ok: true, team: "acme", team_id: "T0000", user_id: this.bot };
  }
}
