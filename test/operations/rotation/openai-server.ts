import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { StandIn } from "./stand-in.ts";

interface Key {
  id: string;
  name: string;
  value: string;
  owner:
    | { type: "user"; user: { id: string } }
    | { type: "service_account"; service_account: { id: string; name: string } };
  last_used_at: number | null;
}

/** One project of OpenAI's administration API, its models, and what its keys are for, as documented. */
export class OpenAiServer extends StandIn {
  readonly admin = `sk-admin-${randomBytes(20).toString("base64url")}`;
  readonly keys: Key[] = [];
  readonly accounts = new Map<string, string>();
  readonly served: string[] = [];
  /** Uses of a key at what it is for, that were refused. */
  refused = 0;
  /** Milliseconds by which its clock is ahead. */
  ahead = 0;
  fault: (request: string) => number | "lost" | undefined = () => undefined;
  #count = 0;

  static async start(): Promise<OpenAiServer> {
    return new OpenAiServer().listen();
  }

  get address(): string {
    return `${this.origin}/v1/organization/projects/proj_solo`;
  }

  issue(owner: Key["owner"], name: string): Key {
    const value = `sk-proj-${randomBytes(30).toString("base64url")}`;
    const key = { id: `key_${++this.#count}`, name, value, owner, last_used_at: null };
    this.keys.push(key);
    return key;
  }

  protected async serve(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const url = new URL(request.url ?? "/", "http://openai");
    const bearer = (request.headers.authorization ?? "").replace("Bearer ", "");
    response.setHeader("date", this.#now().toUTCString());
    if (url.pathname === "/v1/responses") return this.#use(response, bearer);
    const name = `${request.method} ${url.pathname
      .replace(/(key|svc_acct)_[a-z0-9]+/, "ID")
      .split("/")
      .slice(-2)
      .join("/")}`;
    const fault = this.fault(name);
    if (typeof fault === "number") return void response.writeHead(fault).end("{}");
    this.served.push(name);
    const [status, answer] = this.#answer(request.method ?? "", url, bearer, body);
    if (fault === "lost") return void response.destroy();
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  }

  #now(): Date {
    return new Date(Date.now() + this.ahead);
  }

  #use(response: ServerResponse, bearer: string): void {
    const key = this.keys.find(({ value }) => value === bearer);
    if (key === undefined) this.refused++;
    else key.last_used_at = Math.floor(this.#now().getTime() / 1000);
    response.writeHead(key === undefined ? 401 : 200).end("{}");
  }

  #answer(method: string, url: URL, bearer: string, body: string): [number, object] {
    if (url.pathname === "/v1/models") {
      const isKey = this.keys.some(({ value }) => value === bearer);
      const data = [{ id: "gpt-a" }, { id: "gpt-b" }];
      return isKey ? [200, { object: "list", data }] : [401, { error: { code: "invalid_api_key" } }];
    }
    if (bearer !== this.admin) return [401, { error: { code: "invalid_api_key" } }];
    const [resource, id, below] = url.pathname.split("/").slice(5);
    if (resource === "api_keys" && method === "GET") {
      const after = url.searchParams.get("after");
      const start = after === null ? 0 : this.keys.findIndex((key) => key.id === after) + 1;
      const data = this.keys.slice(start, start + 2).map(({ value, ...key }) => ({
        ...key,
        redacted_value: `${value.slice(0, 10)}***${value.slice(-4)}`,
      }));
      return [
        200,
        { object: "list", data, has_more: this.keys.length > start + 2, last_id: data.at(-1)?.id },
      ];
    }
    if (resource === "api_keys" && method === "DELETE") {
      const at = this.keys.findIndex((key) => key.id === id);
      if (at < 0) return [404, { error: { code: "not_found" } }];
      this.keys.splice(at, 1);
      return [200, { deleted: true }];
    }
    const { name = "" } = body === "" ? {} : (JSON.parse(body) as { name?: string });
    if (resource === "service_accounts" && method === "POST" && id === undefined) {
      const account = { id: `svc_acct_${++this.#count}`, name };
      this.accounts.set(account.id, name);
      const key = this.issue({ type: "service_account", service_account: account }, "Secret Key");
      return [200, { ...account, role: "member", api_key: { id: key.id, name: key.name, value: key.value } }];
    }
    if (
      resource === "service_accounts" &&
      method === "POST" &&
      below === "api_keys" &&
      this.accounts.has(id ?? "")
    ) {
      const account = { id: id ?? "", name: this.accounts.get(id ?? "") ?? "" };
      const key = this.issue({ type: "service_account", service_account: account }, name);
      return [200, { id: key.id, name: key.name, value: key.value }];
    }
    if (resource === "service_accounts" && method === "DELETE" && this.accounts.delete(id ?? "")) {
      return [200, { deleted: true }];
    }
    return [404, { error: { code: "not_found" } }];
  }
}
