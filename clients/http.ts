import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { Agent as HttpsAgent } from "node:https";

/** Milliseconds after which an unused connection is given up, before the server or something between does so. */
const idle = 4_000;

/** Connections to one server, kept between requests; to be destroyed at the end. */
export function connections(address: string, ca?: string): Agent {
  const kept = { keepAlive: true, timeout: idle };
  if (!address.startsWith("https:")) return new Agent(kept);
  return new HttpsAgent({ ...kept, ...(ca !== undefined && { ca }) });
}

export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Asking {
  method: string;
  /** Of the URL's server. */
  agent: Agent;
  signal: AbortSignal;
  headers: Record<string, string>;
  body?: string;
}

/** One request by Node's own client; redirects are not followed. @throws whatever kept it from an answer */
export function ask(url: URL, { body, ...asking }: Asking): Promise<Answered> {
  return new Promise((resolve, reject) => {
    // The agent says whether it goes over TLS; node:https itself is what an emulator of Lambda puts plain text in place of.
    const sent = request(url, asking, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, text: Buffer.concat(parts).toString() });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
