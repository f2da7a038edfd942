/**
 * A client of a provider: keeps its key in memory and calls EXCHANGE at RATE a second, with the key shown as SHOWN says. Where
 * WATCH is set it reads the key again whenever its folder changes, otherwise at its start alone.
 */
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { atRate } from "../services/at-rate.ts";
import { ask } from "../services/http-client.ts";
import { onNextVersion } from "../services/watched.ts";

const { EXCHANGE = "", EXCHANGE_API_KEY_FILE = "", EXCHANGE_API_SECRET_FILE, NAME = "" } = process.env;
const { SHOWN = "basic" } = process.env;

const shows: Record<string, () => Record<string, string>> = {
  basic: () => ({ authorization: `Basic ${Buffer.from(`${key}:${secret}`).toString("base64")}` }),
  bearer: () => ({ authorization: `Bearer ${key}` }),
  // https://bybit-exchange.github.io/docs/v5/guide
  bybit() {
    const [time, window] = [String(Date.now()), "20000"];
    const sign = createHmac("sha256", secret).update(`${time}${key}${window}`).digest("hex");
    return {
      ...{ "x-bapi-api-key": key, "x-bapi-timestamp": time },
      ...{ "x-bapi-recv-window": window, "x-bapi-sign": sign },
    };
  },
};
const show = shows[SHOWN];
if (show === undefined) throw new Error(`nobody shows a key as ${SHOWN}`);

function read(): [key: string, secret: string] {
  const inFile = (file: string) => readFileSync(file, "utf8");
  return [
    inFile(EXCHANGE_API_KEY_FILE),
    EXCHANGE_API_SECRET_FILE === undefined ? "" : inFile(EXCHANGE_API_SECRET_FILE),
  ];
}

let [key, secret] = read();
if (process.env.WATCH !== undefined) {
  onNextVersion(EXCHANGE_API_KEY_FILE, () => {
    [key, secret] = read();
  });
}
await atRate(async () => {
  const headers = { ...show(), "user-agent": NAME };
  return (await ask(EXCHANGE, { method: "GET", headers })) === 200;
});
