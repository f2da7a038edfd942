/**
 * A client of the exchange: keeps its key in memory and calls at RATE a second. Where WATCH is set it reads the key again
 * whenever its folder changes, otherwise at its start alone.
 */
import { readFileSync } from "node:fs";
import { atRate } from "../services/at-rate.ts";
import { ask } from "../services/http-client.ts";
import { onNextVersion } from "../services/watched.ts";

const { EXCHANGE = "", EXCHANGE_API_KEY_FILE = "", EXCHANGE_API_SECRET_FILE = "", NAME = "" } = process.env;

function read(): string {
  const [key, secret] = [EXCHANGE_API_KEY_FILE, EXCHANGE_API_SECRET_FILE].map((file) =>
    readFileSync(file, "utf8"),
  );
  return `Basic ${Buffer.from(`${key}:${secret}`).toString("base64")}`;
}

let authorization = read();
if (process.env.WATCH !== undefined) {
  onNextVersion(EXCHANGE_API_KEY_FILE, () => {
    authorization = read();
  });
}
await atRate(async () => {
  const headers = { authorization, "user-agent": NAME };
  return (await ask(EXCHANGE, { method: "GET", headers })) === 200;
});
