import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { EnvHttpProxyAgent, fetch } from "undici";

/** An official file could not be had, or was not what is pinned. */
export class DownloadError extends Error {
  override name = "DownloadError";
}

/** The server did not answer at all: there is no use in asking it for another file. */
export class UnreachableError extends DownloadError {
  override name = "UnreachableError";
}

export interface DownloadLimits {
  /** Milliseconds to look up a server and connect to it. */
  connect: number;
  /** Milliseconds between two looks at the rate. */
  patience: number;
  /** Bytes per second between two looks below which it is given up, also while nothing is answered yet. */
  slowest: number;
}

export const downloadLimits: DownloadLimits = { connect: 4_000, patience: 20_000, slowest: 16_384 };

/** More than any tool; a server that never ends fills no disk. */
const largest = 1024 ** 3;

/**
 * Downloads one file in one try and compares its SHA-256. Proxies of the environment are used, redirects are
 * followed. Throws DownloadError when anything is wrong (UnreachableError when nobody answered); what lies at
 * `into` is then not to be used.
 */
export async function download(
  url: string,
  options: {
    into: string;
    sha256: string;
    limits: DownloadLimits;
    progress: (received: number, total: number | undefined) => void;
  },
): Promise<void> {
  const { limits } = options;
  const dispatcher = new EnvHttpProxyAgent({ connect: { timeout: limits.connect } });
  const stop = new AbortController();
  const hash = createHash("sha256");
  const file = await open(options.into, "w", 0o600);
  let answered = false;
  let received = 0;
  let seen = 0;
  const watch = setInterval(() => {
    const rate = ((received - seen) * 1000) / limits.patience;
    if (rate < limits.slowest) stop.abort(new Error(`too slow: ${Math.round(rate)} bytes per second`));
    seen = received;
  }, limits.patience);
  try {
    const response = await fetch(url, { dispatcher, signal: stop.signal });
    answered = true;
    if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
    const length = Number(response.headers.get("content-length"));
    for await (const chunk of response.body) {
      const bytes: Uint8Array = chunk;
      received += bytes.length;
      if (received > largest) throw new Error(`it is larger than ${largest} bytes`);
      hash.update(bytes);
      await file.writeFile(bytes);
      options.progress(received, length > 0 ? length : undefined);
    }
  } catch (error) {
    if (!answered && (stop.signal.aborted || isOfTheNetwork(error)))
      throw new UnreachableError(`${new URL(url).host} did not answer (${reasonOf(error)})`, {
        cause: error,
      });
    throw new DownloadError(`${url}: ${reasonOf(error)}`, { cause: error });
  } finally {
    clearInterval(watch);
    await file.close();
    await dispatcher.destroy();
  }
  const actual = hash.digest("hex");
  if (actual !== options.sha256)
    throw new DownloadError(
      `${url}: its SHA-256 is ${actual}, pinned is ${options.sha256}; it was cut short or it is not the official file`,
    );
}

/** Lookup, connection, TLS and timeouts carry a code; a server that answered with nonsense does not. */
function isOfTheNetwork(error: unknown): boolean {
  return error instanceof Error && ("code" in error || isOfTheNetwork(error.cause));
}

/** The innermost reason, since "fetch failed" says nothing. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
