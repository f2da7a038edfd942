/** Signs messages with the key that it read at its start and sends each to every listener. */
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { send } from "../services/sender.ts";

const key = readFileSync(process.env.TITAN_HMAC_SECRET_PRIMARY_FILE ?? "", "utf8").trim();
await send(async (body) => ({
  "x-titan-signature": createHmac("sha256", key).update(body).digest("hex"),
  "x-titan-key-id": process.env.TITAN_HMAC_KEY_ID ?? "",
}));
