/**
 * A service that says what it was given: a line of JSON into the file that its first argument names, at its start, when a
 * file of its changes, and at signals. It ends when it is told to, unless it is stubborn.
 */
import { appendFileSync, readFileSync, watch } from "node:fs";
import { dirname } from "node:path";

const [, , log, ...traits] = process.argv;
const wanted = Object.keys(process.env).filter((name) => /^(SHOP_|VAULT_|KEYPLANE_ENV|LAB$)/.test(name));

function say(event) {
  const variables = Object.fromEntries(wanted.map((name) => [name, process.env[name]]));
  const files = Object.fromEntries(
    wanted
      .filter((name) => name.endsWith("_FILE") && !name.startsWith("VAULT_"))
      .map((name) => [name, readFileSync(process.env[name], "utf8")]),
  );
  appendFileSync(log, `${JSON.stringify({ event, pid: process.pid, variables, files })}\n`);
}

for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2"]) process.on(signal, () => say(signal));
process.on("SIGTERM", () => {
  say("SIGTERM");
  if (!traits.includes("stubborn")) process.exit(7);
});
process.on("SIGINT", () => {
  say("SIGINT");
  process.exit(8);
});
if (traits.includes("watches")) {
  const folder = dirname(process.env.SHOP_TOKEN_FILE);
  let before = readFileSync(process.env.SHOP_TOKEN_FILE, "utf8");
  watch(folder, () => {
    let now;
    try {
      now = readFileSync(process.env.SHOP_TOKEN_FILE, "utf8");
    } catch {
      return;
    }
    if (now === before) return;
    before = now;
    say("changed");
  });
}
say("start");
if (traits.includes("fails")) process.exit(3);
setInterval(() => {}, 1000);
