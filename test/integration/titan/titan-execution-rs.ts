/**
 * Reads its keys again whenever the folder of secrets changes; also the file of variables beside them: its key id. One that is
 * DEAF hears of no change.
 */
import { readFileSync, watch } from "node:fs";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { type Keys, listen, readKeys } from "./listener.ts";

const folder = dirname(process.env.TITAN_HMAC_SECRET_PRIMARY_FILE ?? "");
let keyId: string | undefined;
let keys = read();

function read(): Keys {
  keyId = parseEnv(readFileSync(join(folder, "titan-execution-rs.env"), "utf8")).TITAN_HMAC_KEY_ID;
  return readKeys();
}

const heard = () => {
  const before = keyId;
  try {
    keys = read();
  } catch {
    // A file is being replaced: another event follows.
    return;
  }
  if (keyId !== before) console.log(`key ${keyId}`);
};
if (process.env.DEAF === undefined) watch(folder, heard);
listen(() => keys);
