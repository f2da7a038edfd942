/**
 * A client of an object store: signs each request (AWS signature 4) with the access key that it keeps in memory, RATE times
 * a second. Where WATCH is set it reads the key again whenever its folder changes, otherwise at its start alone. What
 * happened is told on standard output, a line of JSON at a time.
 */
import { readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";

const pause = 1000 / Number(process.env.RATE);
const url = process.env.STORE ?? "";
const userFile = process.env.STORE_USER_FILE ?? "";
const passwordFile = process.env.STORE_PASSWORD_FILE ?? "";
const told = { accepted: 0, failed: 0, milliseconds: [] as number[] };
let stopped = false;
let underWay = 0;

const read = () => ({
  accessKeyId: readFileSync(userFile, "utf8"),
  secretAccessKey: readFileSync(passwordFile, "utf8"),
});
let key = read();

if (process.env.WATCH !== undefined) {
  // Both files belong to one version once the manifest, which is written last, is there.
  watch(dirname(userFile), (_event, file) => {
    if (file === ".keyplane.json") key = read();
  });
}

async function call(): Promise<void> {
  const began = performance.now();
  const body = "Action=GetCallerIdentity&Version=2011-06-15";
  const type = "application/x-www-form-urlencoded; charset=utf-8";
  try {
    const asked = { url, method: "POST", headers: { "content-type": type }, body };
    const signed = await new AwsV4Signer({ ...asked, ...key, service: "sts", region: "us-east-1" }).sign();
    const response = await fetch(signed.url, { method: "POST", headers: signed.headers, body });
    await response.text();
    if (response.ok) told.accepted++;
    else told.failed++;
  } catch {
    told.failed++;
  }
  told.milliseconds.push(Math.round((performance.now() - began) * 100) / 100);
}

function tell(): void {
  console.log(JSON.stringify(told));
  told.accepted = told.failed = 0;
  told.milliseconds = [];
}

process.on("SIGTERM", () => {
  stopped = true;
});
console.log("ready");
const began = performance.now();
setInterval(tell, 200).unref();
for (let number = 0; !stopped; number++) {
  underWay++;
  call().finally(() => underWay--);
  await sleep(Math.max(0, began + (number + 1) * pause - performance.now()));
}
while (underWay > 0) await sleep(5);
tell();
process.exit(0);
