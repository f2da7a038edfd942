import type { Agent } from "node:http";
import { type Answered, ask, connections } from "./http.ts";

export interface VaultOptions {
  /** e.g. https://127.0.0.1:8200 */
  address: string;
  token?: string;
  /** PEM of the CA that signed the server's certificate; the system's roots when absent. */
  ca?: string;
  /** Milliseconds for a whole request; 30 000 by default. */
  timeout?: number;
}

/** What a Vault response carries; see https://developer.hashicorp.com/vault/api-docs#the-x-vault-request-header */
export interface VaultResponse<T> {
  data: T;
  auth?: VaultAuth;
  wrap_info?: { token: string; accessor: string; ttl: number; creation_path: string };
  lease_id: string;
  lease_duration: number;
  renewable: boolean;
  request_id: string;
  warnings: string[] | null;
}

export interface VaultAuth {
  client_token: string;
  accessor: string;
  policies: string[];
  token_policies: string[];
  lease_duration: number;
  renewable: boolean;
  entity_id: string;
  token_type: "batch" | "service";
  mfa_requirement: {
    mfa_request_id: string;
    mfa_constraints: Record<string, { any: { id: string; type: string; uses_passcode: boolean }[] }>;
  } | null;
}

/**
 * Vault answered with an error status, or sends us on to another node. Carries the method, path and Vault's own
 * messages; never a body or a token that we sent.
 */
export class VaultError extends Error {
  override name = "VaultError";
  readonly status: number;
  readonly path: string;
  readonly errors: string[];
  constructor(method: string, path: string, status: number, errors: string[]) {
    super(`Vault: ${method} ${path}: ${status}${errors.length > 0 ? `: ${errors.join("; ").trim()}` : ""}`);
    this.status = status;
    this.path = path;
    this.errors = errors;
  }
}

/** Vault could not be reached at all (connection refused, TLS, timeout), or something else answers in its place. */
export class VaultUnreachableError extends Error {
  override name = "VaultUnreachableError";
}

export interface RequestOptions {
  body?: unknown;
  query?: Record<string, string | number | boolean>;
  /** Wrap the response for so long, e.g. "5m". */
  wrapTtl?: string;
  headers?: Record<string, string>;
}

/** A thin client of Vault's HTTP API, on Node's own HTTP client. Paths are without "/v1/". */
export class Vault {
  readonly address: string;
  readonly token: string | undefined;
  readonly #options: VaultOptions;
  readonly #agent: Agent;

  constructor(options: VaultOptions, agent?: Agent) {
    this.address = options.address.replace(/\/+$/, "");
    this.token = options.token;
    this.#options = options;
    this.#agent = agent ?? connections(this.address, options.ca);
  }

  /** The same server and connections, with another token (or none). */
  with(token: string | undefined): Vault {
    const { token: _, ...rest } = this.#options;
    return new Vault(token === undefined ? rest : { ...rest, token }, this.#agent);
  }

  async request<T = Record<string, unknown>>(
    method: string,
    path: string,
    { body, query, wrapTtl, headers }: RequestOptions = {},
  ): Promise<VaultResponse<T>> {
    const url = new URL(`${this.address}/v1/${path}`);
    for (const [key, value] of Object.entries(query ?? {})) url.searchParams.set(key, String(value));
    const signal = AbortSignal.timeout(this.#options.timeout ?? 30_000);
    let answered: Answered;
    try {
      answered = await ask(url, {
        method,
        agent: this.#agent,
        signal,
        headers: {
          "x-vault-request": "true",
          ...(this.token !== undefined && { "x-vault-token": this.token }),
          ...(wrapTtl !== undefined && { "x-vault-wrap-ttl": wrapTtl }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    } catch (error) {
      const cause = signal.aborted ? signal.reason : error;
      const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
      throw new VaultUnreachableError(`Vault at ${this.address} could not be reached: ${reason}`, { cause });
    }
    const { status, text } = answered;
    if (status >= 300 && status < 400) {
      throw new VaultError(method, path, status, [sentOn(this.address, answered.headers.location)]);
    }
    const answer = parse(text);
    if (answer === undefined) {
      throw new VaultUnreachableError(
        `${this.address} answers ${status} with something that is not Vault's JSON (${method} ${path}): ` +
          "check the address, its scheme, and what stands between here and Vault",
      );
    }
    if (status >= 400) throw new VaultError(method, path, status, errorsOf(answer, this.token));
    return answer as unknown as VaultResponse<T>;
  }

  /** Reads a path; undefined where there is nothing (404). */
  async read<T = Record<string, unknown>>(
    path: string,
    query?: RequestOptions["query"],
  ): Promise<T | undefined> {
    try {
      return (await this.request<T>("GET", path, query === undefined ? {} : { query })).data;
    } catch (error) {
      if (error instanceof VaultError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Keys below a path; empty where there are none. */
  async list(path: string): Promise<string[]> {
    return (await this.read<{ keys: string[] }>(path, { list: true }))?.keys ?? [];
  }

  async write<T = Record<string, unknown>>(
    path: string,
    body: unknown = {},
    options: RequestOptions = {},
  ): Promise<VaultResponse<T>> {
    return this.request<T>("POST", path, { ...options, body });
  }

  async delete(path: string): Promise<void> {
    await this.request("DELETE", path);
  }

  /** Closes the connections; only for the client that opened them. */
  async close(): Promise<void> {
    this.#agent.destroy();
  }
}

/** The answer as an object, an empty one where there is no content (204); undefined for anything else. */
function parse(text: string): Record<string, unknown> | undefined {
  if (text === "") return {};
  try {
    const answer: unknown = JSON.parse(text);
    const isObject = typeof answer === "object" && answer !== null && !Array.isArray(answer);
    return isObject ? (answer as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Not followed: the token was meant for the address that we were given and goes nowhere else. */
function sentOn(address: string, location: string | string[] | undefined): string {
  const target = typeof location === "string" ? URL.parse(location, address) : null;
  const to = target === null ? "" : ` to ${target.origin}`;
  return `${address} sends us on${to} and did nothing itself: set the address of the active node, or of a load balancer that finds it`;
}

function errorsOf(answer: Record<string, unknown>, token: string | undefined): string[] {
  if (!Array.isArray(answer.errors)) return [];
  const errors = answer.errors.map(String);
  return token === undefined || token === ""
    ? errors
    : errors.map((error) => error.replaceAll(token, "[token]"));
}
