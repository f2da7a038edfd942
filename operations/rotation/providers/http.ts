import { TargetUnavailableError } from "../rotator.ts";
import { ProviderError } from "./refusal.ts";
import { type RateBound, throttleOf } from "./throttle.ts";

export interface Answer {
  status: number;
  headers: Headers;
  /** May hold a key: kept out of messages. */
  text: string;
  /** The provider's own time, by its Date header (RFC 9110, section 6.6.1); ours where it sends none. */
  at: Date;
}

export interface Asked {
  method?: "GET" | "POST" | "DELETE";
  headers?: Record<string, string>;
  body?: string;
}

/** The provider has surely done nothing of what was asked: it asks to wait, or nobody was reached. */
export class NotServedError extends TargetUnavailableError {
  override name = "TargetUnavailableError";
}

/** Bytes of an answer; a longer one is not an API's. */
const longest = 4 * 1024 * 1024;

/**
 * Requests to one provider, below its rate bound. What its adapters share: a time limit, no redirects (the key was
 * meant for the address in the catalogue), and messages that quote neither an address's path, a header nor a body.
 */
export class ProviderHttp {
  readonly #provider: string;
  readonly #fetch: typeof fetch;
  readonly #bound: RateBound;
  readonly #signal: AbortSignal;
  readonly #timeout: number;

  constructor(options: {
    /** As people know it, for messages. */
    provider: string;
    fetch: typeof fetch;
    bound: RateBound;
    signal: AbortSignal;
    /** Milliseconds for a whole request; 30 000 by default. */
    timeout?: number;
  }) {
    this.#provider = options.provider;
    this.#fetch = options.fetch;
    this.#bound = options.bound;
    this.#signal = options.signal;
    this.#timeout = options.timeout ?? 30_000;
  }

  /**
   * Answers below 500 other than 429 and redirects.
   * @param what it is for, in words: "list the keys"
   * @throws TargetUnavailableError, ProviderError, the signal's reason
   */
  async ask(what: string, url: string | URL, { method = "GET", headers, body }: Asked = {}): Promise<Answer> {
    const { origin } = new URL(url);
    const throttle = throttleOf(origin, this.#bound);
    return throttle.run(this.#signal, async () => {
      if (throttle.paused > 0) {
        throw this.unavailable(what, "asked to wait before", throttle.paused, NotServedError);
      }
      const { response, text } = await this.#send(what, url, {
        method,
        redirect: "manual",
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(this.#timeout)]),
        ...(headers !== undefined && { headers }),
        ...(body !== undefined && { body }),
      });
      const { status, headers: answered } = response;
      if (status === 429) {
        const seconds = retryAfter(answered) ?? 1;
        throttle.pause(seconds);
        throw this.unavailable(what, "answers 429: too many requests", seconds, NotServedError);
      }
      if (status >= 500) throw this.unavailable(what, `answers ${status}`, retryAfter(answered));
      if (status >= 300 && status < 400) {
        throw new ProviderError(
          `${this.#provider} sends us elsewhere (${status}) when asked to ${what}: correct its address in the catalogue`,
        );
      }
      return { status, headers: answered, text, at: dateOf(answered) };
    });
  }

  /** Waits for the rate that the provider told of in a way of its own. */
  unavailable(
    what: string,
    why: string,
    seconds?: number,
    kind: typeof TargetUnavailableError = TargetUnavailableError,
  ): TargetUnavailableError {
    return new kind(
      `${this.#provider} ${why}, when asked to ${what}`,
      seconds === undefined ? {} : { retryAfter: Math.max(1, Math.ceil(seconds)) },
    );
  }

  /** The provider refused: its status and, where it has one, its own word for the reason. */
  refused(what: string, status: number, code?: unknown): ProviderError {
    const word = typeof code === "string" && /^[A-Za-z][A-Za-z_.]{1,48}$/.test(code) ? ` ${code}` : "";
    const fix =
      status === 401 || status === 403 ? ": look at the credential that its API is called with" : "";
    return new ProviderError(`${this.#provider} refuses to ${what} (${status}${word})${fix}`);
  }

  /** The answer as a JSON object. @throws ProviderError when it is none */
  object(what: string, { text, status }: Answer): Record<string, unknown> {
    const value = parsed(text);
    if (isObject(value)) return value;
    throw new ProviderError(
      `${this.#provider} answers ${status} with something that is not its API's JSON, when asked to ${what}: correct its address in the catalogue`,
    );
  }

  async #send(
    what: string,
    url: string | URL,
    init: RequestInit,
  ): Promise<{ response: Response; text: string }> {
    try {
      const response = await this.#fetch(url, init);
      const text = await response.text();
      if (text.length > longest)
        throw new ProviderError(`${this.#provider} answers with too much to ${what}`);
      return { response, text };
    } catch (error) {
      this.#signal.throwIfAborted();
      if (error instanceof ProviderError) throw error;
      const reason = reasonOf(error);
      const kind = unreached.has(reason) ? NotServedError : TargetUnavailableError;
      throw this.unavailable(what, `could not be reached (${reason})`, undefined, kind);
    }
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The objects of a list that an answer holds; none where it holds no list. */
export function objectsIn(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function textIn(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

export function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string").toSorted() : [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Codes of a connection that never came to be. */
const unreached = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** A code such as ECONNREFUSED, or the kind of error; an error's own message may name a whole URL. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const { cause } = error;
  if (isObject(cause) && typeof cause.code === "string") return cause.code;
  return error.name === "TimeoutError" ? "no answer in time" : error.name;
}

/** Seconds, from seconds or a date (RFC 9110, section 10.2.3). */
function retryAfter(headers: Headers): number | undefined {
  const said = headers.get("retry-after");
  if (said === null) return undefined;
  if (/^\d+$/.test(said)) return Number(said);
  const until = Date.parse(said);
  return Number.isNaN(until) ? undefined : Math.max(0, (until - dateOf(headers).getTime()) / 1000);
}

function dateOf(headers: Headers): Date {
  const said = Date.parse(headers.get("date") ?? "");
  return new Date(Number.isNaN(said) ? Date.now() : said);
}
