/**
 * solo's api as a client of its object store: writes and reads objects, RATE requests a second, each signed (AWS signature 4)
 * with the user that it keeps in memory. Refused, it reads its env-file again: a root user has one password at a time.
 */
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { AwsV4Signer } from "aws4fetch";
import { answered } from "../services/answered.ts";
import { atRate } from "../services/at-rate.ts";
import { ask } from "../services/http-client.ts";

const { BUCKET = "", ENV_FILE = "" } = process.env;
/** Keys derived for signing, as any client keeps them for the day. */
let cache = new Map<string, ArrayBuffer>();
const read = () => parseEnv(readFileSync(ENV_FILE, "utf8"));
let user = read();

async function store(method: "GET" | "PUT", url: string, body?: string): Promise<boolean> {
  const { MINIO_ROOT_USER: accessKeyId = "", MINIO_ROOT_PASSWORD: secretAccessKey = "" } = user;
  const sent = { method, ...(body !== undefined && { body }) };
  const signer = new AwsV4Signer({
    ...{ url, ...sent, service: "s3", region: "us-east-1", cache, accessKeyId, secretAccessKey },
  });
  const { headers } = await signer.sign();
  const status = await ask(url, { ...sent, headers: Object.fromEntries(headers) });
  if (status === 403) {
    user = read();
    cache = new Map();
  }
  return status === 200;
}

await store("PUT", BUCKET);
await store("PUT", `${BUCKET}/first`, "the first object");
await atRate((number) =>
  answered(
    () =>
      number % 2 === 0
        ? store("PUT", `${BUCKET}/${number % 100}`, `object ${number}`)
        : store("GET", `${BUCKET}/first`),
    // It signs each time, and everybody waits at once while the store starts again.
    { asksAgain: true, pause: 200 },
  ),
);
