/**
 * A service that reads its files again every 100 ms, as one that watches does. Each time they change, it appends a line
 * of JSON with their contents to the file that its argument names.
 */
import { appendFileSync, readFileSync } from "node:fs";

const [, , log] = process.argv;
const wanted = Object.keys(process.env).filter((name) => /^SHOP_.*_FILE$/.test(name));
let before = "";

function look() {
  try {
    const files = wanted.map((name) => [name, readFileSync(process.env[name], "utf8")]);
    const now = JSON.stringify(Object.fromEntries(files));
    if (now !== before) appendFileSync(log, `${now}\n`);
    before = now;
  } catch {
    // Between two versions a file may be away for a moment.
  }
}

look();
setInterval(look, 100);
