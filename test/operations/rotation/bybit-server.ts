import { createHmac, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { StandIn } from "./stand-in.ts";

interface Key {
  apiKey: string;
  secret: string;
  note: string;
  userID: number;
  readOnly: number;
  permissions: Record<string, string[]>;
  ips: string[];
}

export const trading = { ContractTrade: ["Order", "Position"], Spot: ["SpotTrade"], NFT: [] };

/** A sub account of Bybit's V5 API as documented, with checked signatures. */
export class BybitServer extends StandIn {
  readonly keys: Key[] = [];
  retCode: number | undefined;
  /** Answers to the making of a key that are lost from now on, after it was made. */
  losing = 0;
  /** Milliseconds by which a caller's clock may be off, beyond its own window. */
  tolerates = 0;
  /** Orders that were refused. */
  refused = 0;

  static async start(): Promise<BybitServer> {
    return new BybitServer().listen();
  }

  get address(): string {
    return `${this.origin}`;
  }

  issue(more: Partial<Key> = {}): Key {
    const apiKey = randomBytes(14).toString("base64url").slice(0, 18);
    const secret = randomBytes(18).toString("hex");
    const key = {
      apiKey,
      secret,
      note: "",
      userID: 4711,
      readOnly: 0,
      permissions: trading,
      ips: ["10.0.0.7"],
      ...more,
    };
    this.keys.push(key);
    return key;
  }

  protected async serve(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const url = new URL(request.url ?? "/", "http://bybit");
    if (url.pathname === "/v5/order/realtime") return this.#order(request, response, url);
    const [code, result] = this.retCode === undefined ? this.#answer(request, url, body) : [this.retCode, {}];
    if (url.pathname.endsWith("create-sub-api") && this.losing-- > 0) return void response.destroy();
    response.setHeader("x-bapi-limit-reset-timestamp", Date.now() + 3000);
    response.end(JSON.stringify({ retCode: code, retMsg: "", result, time: Date.now() }));
  }

  /** What a key is for. Whoever looks only at the status sees a refusal as well. */
  #order(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const isLetIn = typeof this.#callerOf(request, url, "") !== "number";
    if (!isLetIn) this.refused++;
    response.writeHead(isLetIn ? 200 : 401).end("{}");
  }

  /** The key that signed a request, or why it is refused. */
  #callerOf(request: IncomingMessage, url: URL, body: string): Key | number {
    const header = (name: string) => String(request.headers[`x-bapi-${name}`]);
    const caller = this.keys.find(({ apiKey }) => apiKey === header("api-key"));
    if (caller === undefined) return 10003;
    const text = `${header("timestamp")}${caller.apiKey}${header("recv-window")}${url.search.slice(1)}${body}`;
    if (createHmac("sha256", caller.secret).update(text).digest("hex") !== header("sign")) return 10004;
    // The right time, also where this process has a wrong one.
    const now = performance.timeOrigin + performance.now();
    const age = Math.abs(Number(header("timestamp")) - now);
    return age > Number(header("recv-window")) + this.tolerates ? 10002 : caller;
  }

  #answer(request: IncomingMessage, url: URL, body: string): [number, object] {
    const caller = this.#callerOf(request, url, body);
    if (typeof caller === "number") return [caller, {}];
    const { secret: _, ...shown } = caller;
    if (url.pathname === "/v5/user/query-api") return [0, shown];
    if (caller.userID !== 1) return [10005, {}];
    const asked = body === "" ? {} : (JSON.parse(body) as Record<string, unknown>);
    switch (url.pathname) {
      case "/v5/user/sub-apikeys": {
        const mine = this.keys.filter(({ userID }) => String(userID) === url.searchParams.get("subMemberId"));
        const start = Number(url.searchParams.get("cursor") ?? 0);
        const next = start + 2 < mine.length ? String(start + 2) : "";
        return [
          0,
          {
            result: mine.slice(start, start + 2).map(({ apiKey, note }) => ({ apiKey, note })),
            nextPageCursor: next,
          },
        ];
      }
      case "/v5/user/create-sub-api": {
        const { note, readOnly, permissions, ips, subuid } = asked as {
          ips?: string;
          subuid: number;
        } & Partial<Key>;
        const made = this.issue({
          note: String(note),
          readOnly: Number(readOnly),
          userID: subuid,
          permissions: permissions ?? {},
          ips: ips === undefined ? ["*"] : String(ips).split(","),
        });
        return [0, { apiKey: made.apiKey, secret: made.secret, note: made.note }];
      }
      case "/v5/user/delete-sub-api": {
        const at = this.keys.findIndex(({ apiKey }) => apiKey === asked.apikey);
        if (at < 0) return [10001, {}];
        this.keys.splice(at, 1);
        return [0, {}];
      }
      default:
        return [10017, {}];
    }
  }
}
