/**
 * A client of an object store: signs each request (AWS signature 4) with the access key that it keeps in memory, RATE times
 * a second. Where WATCH is set it reads the key again whenever its folder changes, otherwise at its start alone.
 */
import { readFileSync } from "node:fs";
import { AwsV4Signer } from "aws4fetch";
import { atRate } from "../services/at-rate.ts";
import { ask } from "../services/http-client.ts";
import { onNextVersion } from "../services/watched.ts";

const { STORE: url = "", STORE_USER_FILE = "", STORE_PASSWORD_FILE = "" } = process.env;
const body = "Action=GetCallerIdentity&Version=2011-06-15";
const headers = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
/** Keys derived for signing, as any client keeps them for the day. */
const cache = new Map<string, ArrayBuffer>();

const read = () => ({
  accessKeyId: readFileSync(STORE_USER_FILE, "utf8"),
  secretAccessKey: readFileSync(STORE_PASSWORD_FILE, "utf8"),
});
let key = read();
if (process.env.WATCH !== undefined) {
  onNextVersion(STORE_USER_FILE, () => {
    key = read();
  });
}
await atRate(async () => {
  const asked = { url, method: "POST", headers, body, service: "sts", region: "us-east-1", cache };
  const signed = await new AwsV4Signer({ ...asked, ...key }).sign();
  return (await ask(url, { method: "POST", headers: Object.fromEntries(signed.headers), body })) === 200;
});
