/** Accepts the internal token and the one before; or JWTs, by the keys of its key set. */
import { createServer } from "node:http";
import { jwtVerify } from "jose";
import { keyOf } from "../../../operations/values/jwks.ts";

const { SA01_AUTH_INTERNAL_TOKEN: now, SA01_AUTH_INTERNAL_TOKEN_PREVIOUS: before, KEY_SET } = process.env;
const keys = KEY_SET === undefined ? undefined : keyOf(KEY_SET);

async function accepts(bearer: string): Promise<boolean> {
  if (keys === undefined) return bearer === now || bearer === before;
  return jwtVerify(bearer, keys).then(
    () => true,
    () => false,
  );
}

let ends = false;
const server = createServer(async (request, response) => {
  request.resume();
  const bearer = (request.headers.authorization ?? "").replace(/^Bearer /, "");
  const status = (await accepts(bearer)) ? 204 : 401;
  // Whoever is told to end answers what has come, and takes no more over the same connection.
  response.shouldKeepAlive = !ends;
  response.writeHead(status).end();
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("ready"));
process.on("SIGTERM", () => {
  ends = true;
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
