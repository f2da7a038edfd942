/**
 * Calls the gateway: shows the internal token, or signs a token of its own where it has a signing key. Of those it goes on
 * to show what it signed before it was started again, as the sessions of people do: they are kept in the file TOKENS. At
 * SIGHUP the older sessions end. Of a password, which has one value at a time, it reads the env-file WATCH for each call.
 */
import { createPrivateKey } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { SignJWT } from "jose";
import { settled } from "../services/at-rate.ts";
import { send } from "../services/sender.ts";

const {
  SIGNING_KEY,
  SIGNING_KEY_ID: kid = "",
  SA01_AUTH_INTERNAL_TOKEN: shown = "",
  TOKENS = "",
  WATCH,
} = process.env;
const tokens: string[] = existsSync(TOKENS) ? (JSON.parse(readFileSync(TOKENS, "utf8")) as string[]) : [];
if (SIGNING_KEY === undefined) tokens.push(shown);
else {
  const key = createPrivateKey(SIGNING_KEY);
  for (let session = 0; session < 5; session++) {
    const token = new SignJWT({ session }).setProtectedHeader({ alg: "ES256", kid }).setExpirationTime("1h");
    tokens.push(await token.sign(key));
  }
  writeFileSync(TOKENS, JSON.stringify(tokens.slice(-10)), { mode: 0o600 });
}
let live = tokens.slice(-10);
process.on("SIGHUP", async () => {
  live = tokens.slice(-5);
  await settled();
  console.log("older sessions are over");
});
let calls = 0;
function bearer(): string | undefined {
  return WATCH === undefined
    ? live[calls++ % live.length]
    : parseEnv(readFileSync(WATCH, "utf8")).SA01_AUTH_INTERNAL_TOKEN;
}
await send(async () => ({ authorization: `Bearer ${bearer()}` }), { asksAgain: WATCH !== undefined });
