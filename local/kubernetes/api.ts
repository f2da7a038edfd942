import { Agent, type Dispatcher, request } from "undici";

/** Kubernetes answered with an error. Carries the method, the path and Kubernetes' own words; never a body we sent. */
export class KubernetesError extends Error {
  override name = "KubernetesError";
  readonly status: number;
  /** Machine-readable, e.g. "AlreadyExists"; "" where there is none. */
  readonly reason: string;
  constructor(method: string, path: string, status: number, answer: { reason?: string; message?: string }) {
    super(
      `Kubernetes: ${method} ${path}: ${status}${answer.message === undefined ? "" : `: ${answer.message}`}`,
    );
    this.status = status;
    this.reason = answer.reason ?? "";
  }
}

/** Kubernetes could not be reached at all (connection refused, TLS, timeout). */
export class KubernetesUnreachableError extends Error {
  override name = "KubernetesUnreachableError";
}

export interface KubernetesOptions {
  /** e.g. https://127.0.0.1:6443 */
  host: string;
  /** PEM of the CA that signed the server's certificate. */
  ca: string;
  /** Bearer token; without one the server answers nothing. */
  token?: string;
  /** Milliseconds for a whole request; 15 000 by default. */
  timeout?: number;
}

export interface NamedObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  [field: string]: unknown;
}

/** A thin client of the Kubernetes API. Paths begin with "/api/v1/" or "/apis/". */
export class KubernetesApi {
  readonly host: string;
  readonly #options: KubernetesOptions;
  readonly #agent: Agent;

  constructor(options: KubernetesOptions, agent?: Agent) {
    this.host = options.host.replace(/\/+$/, "");
    this.#options = options;
    this.#agent = agent ?? new Agent({ connect: { ca: options.ca } });
  }

  /** The same server and connections, with another token. */
  with(token: string): KubernetesApi {
    return new KubernetesApi({ ...this.#options, token }, this.#agent);
  }

  /** The body of the answer. Throws KubernetesError for an error status, KubernetesUnreachableError for no answer. */
  async text(method: string, path: string, body?: object): Promise<string> {
    const { token, timeout = 15_000 } = this.#options;
    let response: Dispatcher.ResponseData;
    let text: string;
    try {
      response = await request(`${this.host}${path}`, {
        method: method as Dispatcher.HttpMethod,
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(timeout),
        headers: {
          accept: "application/json",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      text = await response.body.text();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
      throw new KubernetesUnreachableError(`Kubernetes at ${this.host} could not be reached: ${reason}`, {
        cause,
      });
    }
    if (response.statusCode >= 400)
      throw new KubernetesError(method, path, response.statusCode, statusOf(text));
    return text;
  }

  /** Reads an object; undefined where there is none (404). */
  async read<T>(path: string): Promise<T | undefined> {
    try {
      return JSON.parse(await this.text("GET", path)) as T;
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Posts an object to its collection, or to a subresource such as `…/token`, and returns what became of it. */
  async create<T>(path: string, object: object): Promise<T> {
    return JSON.parse(await this.text("POST", path, object)) as T;
  }

  /** The object of that name in the collection, made where it is not there yet. An existing one is left as it is. */
  async ensure<T>(collection: string, object: NamedObject): Promise<T> {
    try {
      return await this.create<T>(collection, object);
    } catch (error) {
      if (!(error instanceof KubernetesError && error.reason === "AlreadyExists")) throw error;
    }
    return JSON.parse(await this.text("GET", `${collection}/${object.metadata.name}`)) as T;
  }

  async delete(path: string): Promise<void> {
    await this.text("DELETE", path);
  }

  /** Closes the connections; only for the client that opened them. */
  async close(): Promise<void> {
    await this.#agent.close();
  }
}

/** A `Status` object, where the answer is one: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
function statusOf(text: string): { reason?: string; message?: string } {
  try {
    return JSON.parse(text) as { reason?: string; message?: string };
  } catch {
    return {};
  }
}
