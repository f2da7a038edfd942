import { randomBytes, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fields } from "../../../operations/values/shape.ts";
import { StandIn } from "./stand-in.ts";

/** What befalls one request. `lost` is served, and its answer never arrives. */
export type Fault =
  | { kind: "lost" | "cut" }
  | { kind: "status"; status: number; retryAfter?: number | string; location?: string }
  /** Served so many milliseconds later, whatever the client has become. */
  | { kind: "late"; milliseconds: number }
  /** Served at once, and answered so many milliseconds later. */
  | { kind: "slow"; milliseconds: number }
  | { kind: "garbage" };

export interface ProviderKey {
  id: string;
  label: string;
  values: Fields;
  scopes: string[];
  lastUsed: Date | undefined;
  usedBy: string | undefined;
  isLive: boolean;
}

export interface ProviderServerOptions {
  /** Keys that may live at once; 2 by default. */
  quota?: number;
  /** Management requests a second, counted over the second before; more are answered 429. */
  rate?: number;
  /** Milliseconds before every answer. */
  latency?: number;
  /** Milliseconds by which its clock is ahead. */
  clock?: number;
  /** Fields of a key. */
  fields?: string[];
  /** Whether it lists when and by whom a key was used last; it does by default. */
  tellsUse?: boolean;
}

/** A provider of keys as others run one: the contract of providers/rest.ts, over real HTTP. */
export class ProviderServer extends StandIn {
  readonly keys: ProviderKey[] = [];
  /** Management requests that were served, as "METHOD /path", ids left out. */
  readonly served: string[] = [];
  /** Management requests that were answered 429 by the rate. */
  throttled = 0;
  /** Uses of a key at what it is for, by outcome. */
  used = { accepted: 0, refused: 0 };
  /** A key may call the management only with this scope. */
  readonly managementScope = "keys";
  options: Required<Omit<ProviderServerOptions, "rate">> & { rate: number | undefined };
  /** Decides what befalls a management request. */
  fault: (request: string) => Fault | undefined = () => undefined;
  /** Id of a key that it lets nobody revoke. */
  locked: string | undefined;
  readonly #recent: number[] = [];

  static async start(options: ProviderServerOptions = {}): Promise<ProviderServer> {
    return new ProviderServer(options).listen();
  }

  private constructor(options: ProviderServerOptions) {
    super();
    this.options = {
      quota: 2,
      rate: undefined,
      latency: 0,
      clock: 0,
      fields: ["key"],
      tellsUse: true,
      ...options,
    };
  }

  get address(): string {
    return `${this.origin}/v1`;
  }

  /** Its own time, whatever becomes of this process's. */
  now(): Date {
    return new Date(performance.timeOrigin + performance.now() + this.options.clock);
  }

  live(): ProviderKey[] {
    return this.keys.filter(({ isLive }) => isLive);
  }

  /** A key made in the dashboard. */
  issue(scopes: string[], label = ""): ProviderKey {
    const values = Object.fromEntries(
      this.options.fields.map((field) => [field, `sk-${randomBytes(24).toString("base64url")}`]),
    );
    const key = {
      id: randomUUID(),
      label,
      values,
      scopes,
      lastUsed: undefined,
      usedBy: undefined,
      isLive: true,
    };
    this.keys.push(key);
    return key;
  }

  protected async serve(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const url = new URL(request.url ?? "/", "http://provider");
    if (this.options.latency > 0) await sleep(this.options.latency);
    response.setHeader("date", this.now().toUTCString());
    const key = this.#keyOf(request.headers.authorization);
    if (url.pathname === "/v1/orders") return this.#use(request, response, key);
    const name = `${request.method} ${url.pathname.replace(/\/keys\/(?!self$).+/, "/keys/ID")}`;
    const fault = this.fault(name);
    if (fault?.kind === "cut") return void response.destroy();
    if (fault?.kind === "status") {
      if (fault.retryAfter !== undefined) response.setHeader("retry-after", fault.retryAfter);
      if (fault.location !== undefined) response.setHeader("location", fault.location);
      return this.#answer(response, fault.status, { error: "trouble" });
    }
    if (fault?.kind === "garbage") {
      response.writeHead(200, { "content-type": "text/html" });
      return void response.end(`<html>${JSON.stringify(this.keys)}</html>`);
    }
    if (this.#isTooFast()) {
      this.throttled++;
      response.setHeader("retry-after", 1);
      return this.#answer(response, 429, { error: "rate_limited" });
    }
    if (fault?.kind === "late") await sleep(fault.milliseconds);
    this.served.push(name);
    const [status, answer] = this.#manage(request.method ?? "", url, body, key);
    if (fault?.kind === "lost") return void response.destroy();
    if (fault?.kind === "slow") await sleep(fault.milliseconds);
    this.#answer(response, status, answer);
  }

  #use(request: IncomingMessage, response: ServerResponse, key: ProviderKey | undefined): void {
    if (key === undefined || !key.scopes.includes("trade")) {
      this.used.refused++;
      this.#answer(response, 401, { error: "invalid_key" });
      return;
    }
    this.used.accepted++;
    key.lastUsed = this.now();
    key.usedBy = String(request.headers["user-agent"]);
    this.#answer(response, 200, { ok: true });
  }

  #manage(
    method: string,
    url: URL,
    body: string,
    key: ProviderKey | undefined,
  ): [number, Record<string, unknown> | undefined] {
    if (key === undefined) return [401, { error: "invalid_key" }];
    if (method === "GET" && url.pathname === "/v1/keys/self") {
      key.lastUsed = this.now();
      key.usedBy = "whoami";
      return [200, { id: key.id, scopes: key.scopes }];
    }
    if (!key.scopes.includes(this.managementScope)) return [403, { error: "missing_scope" }];
    if (method === "GET" && url.pathname === "/v1/keys")
      return [200, this.#page(url.searchParams.get("after"))];
    if (method === "POST" && url.pathname === "/v1/keys") {
      if (this.live().length >= this.options.quota) return [409, { error: "quota" }];
      const { label, scopes } = JSON.parse(body) as { label: string; scopes: string[] };
      const made = this.issue(scopes, label);
      return [201, { id: made.id, values: made.values }];
    }
    const found = this.live().find(({ id }) => url.pathname === `/v1/keys/${id}`);
    if (method !== "DELETE" || found === undefined) return [404, { error: "no_such_key" }];
    if (found.id === this.locked) return [403, { error: "locked" }];
    found.isLive = false;
    return [204, undefined];
  }

  /** Two to a page, so that paging is seen. */
  #page(after: string | null): Record<string, unknown> {
    const live = this.live();
    const start = after === null ? 0 : live.findIndex(({ id }) => id === after) + 1;
    return {
      keys: live.slice(start, start + 2).map(({ id, label, scopes, lastUsed, usedBy }) => ({
        id,
        label,
        scopes,
        ...(this.options.tellsUse && { last_used_at: lastUsed?.toISOString() ?? null }),
        ...(usedBy !== undefined && { last_used_by: usedBy }),
      })),
      has_more: live.length > start + 2,
    };
  }

  #keyOf(authorization = ""): ProviderKey | undefined {
    const [scheme, sent = ""] = authorization.split(" ");
    const wanted = scheme === "Basic" ? Buffer.from(sent, "base64").toString() : sent;
    return this.live().find(({ values }) => Object.values(values).join(":") === wanted);
  }

  #isTooFast(): boolean {
    const { rate } = this.options;
    const now = performance.now();
    while (this.#recent[0] !== undefined && this.#recent[0] <= now - 1000) this.#recent.shift();
    if (rate === undefined || this.#recent.length < rate) {
      this.#recent.push(now);
      return false;
    }
    return true;
  }

  #answer(response: ServerResponse, status: number, body: Record<string, unknown> | undefined): void {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  }
}
