import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

/** What a listener of titan accepts: two keys, of which the second is the one before (R28). */
export interface Keys {
  primary: string;
  secondary: string;
}

export function readKeys(): Keys {
  return {
    primary: read("TITAN_HMAC_SECRET_PRIMARY_FILE"),
    secondary: read("TITAN_HMAC_SECRET_SECONDARY_FILE"),
  };
}

function read(variable: string): string {
  return readFileSync(process.env[variable] ?? "", "utf8").trim();
}

function isUsable(key: string): boolean {
  return key.length > 0 && key.length <= longest;
}

/** One that was built for shorter keys refuses whatever a longer one signed. */
const longest = Number(process.env.LONGEST_KEY ?? Number.POSITIVE_INFINITY);

/** Verifies signed messages on PORT, counts how, and says when it is ready. `/health/hmac` says whether it can use its keys. */
export function listen(keys: () => Keys): void {
  const counts = { hmac_secondary_used_total: 0, auth_failures: 0, messages_total: 0 };
  let ends = false;
  const server = createServer(async (request, response) => {
    if (request.url === "/metrics") {
      const started = Math.floor(Date.now() / 1000 - process.uptime());
      const lines = Object.entries({ ...counts, process_start_time_seconds: started });
      return void response.end(lines.map(([name, value]) => `${name} ${value}\n`).join(""));
    }
    if (request.url === "/health/hmac") {
      const { primary, secondary } = keys();
      return void response.writeHead([primary, secondary].every(isUsable) ? 200 : 503).end();
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const signature = Buffer.from(String(request.headers["x-titan-signature"] ?? ""), "hex");
    const { primary, secondary } = keys();
    const signedBy = (key: string) => {
      if (!isUsable(key)) return false;
      const own = createHmac("sha256", key).update(body).digest();
      return own.length === signature.length && timingSafeEqual(own, signature);
    };
    counts.messages_total++;
    // Whoever is told to end answers what has come, and takes no more over the same connection.
    response.shouldKeepAlive = !ends;
    if (!signedBy(primary)) {
      if (!signedBy(secondary)) {
        counts.auth_failures++;
        return void response.writeHead(401).end();
      }
      counts.hmac_secondary_used_total++;
    }
    response.writeHead(204).end();
  });
  server.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("ready"));
  process.on("SIGTERM", () => {
    ends = true;
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
