/**
 * The local OIDC issuer, a process of its own: serves a discovery document and the public key over TLS on loopback.
 * Its only argument is the path of its settings. It holds no signing key: tokens are signed by `signGitHubToken`.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { z } from "zod";
import { claimsSupported } from "./claims.ts";

const settings = z
  .object({
    url: z.string(),
    port: z.number(),
    certificate: z.string(),
    jwk: z.record(z.string(), z.unknown()),
  })
  .parse(JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")));

const discovery = {
  issuer: settings.url,
  jwks_uri: `${settings.url}/.well-known/jwks`,
  subject_types_supported: ["public", "pairwise"],
  response_types_supported: ["id_token"],
  claims_supported: claimsSupported,
  id_token_signing_alg_values_supported: ["RS256"],
  scopes_supported: ["openid"],
};

const documents: Record<string, string> = {
  "/.well-known/openid-configuration": JSON.stringify(discovery),
  "/.well-known/jwks": JSON.stringify({ keys: [settings.jwk] }),
};

const server = createServer(certificate(), (request, response) => {
  const document = request.method === "GET" ? documents[request.url ?? ""] : undefined;
  response.writeHead(document === undefined ? 404 : 200, { "content-type": "application/json" });
  response.end(document ?? '{"error":"not found"}');
});
server.on("error", (error) => {
  console.error(
    error.message.includes("EADDRINUSE") ? `${error.message} (address already in use)` : error.message,
  );
  process.exit(1);
});
server.listen(settings.port, "127.0.0.1", () =>
  console.log(`${new Date().toISOString()} serving ${settings.url}`),
);

process.on("SIGHUP", () => {
  server.setSecureContext(certificate());
  console.log(`${new Date().toISOString()} certificate loaded again`);
});
process.on("SIGTERM", () => {
  server.closeAllConnections();
  server.close(() => process.exit(0));
});

/** Key and certificate are in one file. */
function certificate(): { key: string; cert: string } {
  const pem = readFileSync(settings.certificate, "utf8");
  return { key: pem, cert: pem };
}
