import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type Run, spawnKeyplane } from "./support/keyplane.ts";
import { type Said, type Shop, saidIn, startShop } from "./support/shop.ts";

let shop: Shop;

before(async () => {
  shop = await startShop();
  for (const service of ["shop/restarter", "shop/watcher", "shop/signalled"]) {
    await shop.bring("shop/token", service, value());
  }
  await shop.bring("shop/other", "shop/restarter", value());
});
after(() => shop?.[Symbol.asyncDispose]());

const value = () => `canary-${randomBytes(12).toString("hex")}`;

interface Running {
  /** What the service has said, once that is wanted. */
  said(wanted: (said: Said[]) => boolean): Promise<Said[]>;
  kill(signal: NodeJS.Signals): void;
  pid: number;
  ended: Promise<Run>;
  home: string;
}

let runs = 0;

/** `keyplane run` with a reporter; ends with the test, also when it fails. */
async function run(
  t: TestContext,
  service: string,
  {
    traits = [],
    options = ["--poll", "100ms"],
    environment = {},
  }: {
    traits?: string[];
    options?: string[];
    environment?: Record<string, string>;
  } = {},
): Promise<Running> {
  const home = join(shop.folder, `home-${runs}`);
  const log = join(shop.folder, `said-${runs++}`);
  const { roleId, secretId } = await shop.appRole(service);
  const file = `${log}.secret-id`;
  await writeFile(file, `${secretId}\n`, { mode: 0o600 });
  const { child, ended } = spawnKeyplane(
    home,
    [
      ...["run", service, "--catalogue", shop.catalogue, "--environment", "staging", ...options, "--"],
      ...[process.execPath, resolve("test/integration/services/reporter.mjs"), log, ...traits],
    ],
    {
      environment: {
        VAULT_CACERT: shop.vault.caFile,
        VAULT_ROLE_ID: roleId,
        VAULT_SECRET_ID_FILE: file,
        ...environment,
      },
    },
  );
  t.after(async () => {
    child.kill("SIGTERM");
    const last = (await readFile(log, "utf8").catch(() => "")).trimEnd().split("\n").at(-1);
    const stopped = await Promise.race([ended, wait(5000, undefined, { ref: false })]);
    if (stopped === undefined) {
      child.kill("SIGKILL");
      if (last) process.kill((JSON.parse(last) as Said).pid, "SIGKILL");
    }
  });
  return {
    said: (wanted) => saidIn(log, wanted),
    kill: (signal) => void child.kill(signal),
    pid: child.pid ?? 0,
    ended,
    home,
  };
}

const events = (said: Said[]) => said.map(({ event }) => event);
const started = (times: number) => (said: Said[]) =>
  events(said).filter((event) => event === "start").length === times;

describe("keyplane run", () => {
  test("gives a process its variables and files, and none of its own credentials", async (t) => {
    const [token, other] = [value(), value()];
    await shop.bring("shop/token", "shop/restarter", token);
    await shop.bring("shop/other", "shop/restarter", other);
    const running = await run(t, "shop/restarter");
    const [said] = await running.said(started(1));
    assert.equal(said?.variables.SHOP_TOKEN, token);
    assert.equal(said?.variables.SHOP_OTHER, other);
    assert.equal(said?.variables.LAB, "true");
    assert.deepEqual(said?.files, { SHOP_TOKEN_FILE: token });
    for (const name of ["VAULT_TOKEN", "VAULT_ROLE_ID", "VAULT_SECRET_ID_FILE"]) {
      assert.equal(said?.variables[name], undefined, name);
    }
    const path = said?.variables.SHOP_TOKEN_FILE ?? "";
    assert.equal((await stat(path)).mode & 0o7777, 0o600);
    assert.equal((await stat(dirname(path))).mode & 0o7777, 0o700);
    running.kill("SIGTERM");
    await running.ended;
    await assert.rejects(stat(dirname(path)), { code: "ENOENT" });
  });

  test("ends with the process' own exit code", async (t) => {
    const running = await run(t, "shop/restarter", { traits: ["fails"] });
    assert.equal((await running.ended).code, 3);
  });

  test("passes signals on, and starts nothing after the one that ended it", async (t) => {
    const running = await run(t, "shop/restarter");
    await running.said(started(1));
    for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const) {
      running.kill(signal);
      await running.said((said) => events(said).includes(signal));
    }
    running.kill("SIGTERM");
    assert.equal((await running.ended).code, 7);
    assert.deepEqual(events(await running.said(() => true)), [
      "start",
      "SIGHUP",
      "SIGUSR1",
      "SIGUSR2",
      "SIGTERM",
    ]);
  });

  test("starts it again with a new version, where it restarts (R34)", async (t) => {
    const running = await run(t, "shop/restarter");
    const [first] = await running.said(started(1));
    const next = value();
    await shop.bring("shop/token", "shop/restarter", next);
    const said = await running.said(started(2));
    assert.deepEqual(events(said), ["start", "SIGTERM", "start"]);
    assert.notEqual(said[2]?.pid, first?.pid);
    assert.equal(said[2]?.variables.SHOP_TOKEN, next);
    assert.deepEqual(said[2]?.files, { SHOP_TOKEN_FILE: next });
  });

  test("kills a process that does not end within its grace, and starts it again", async (t) => {
    const options = ["--poll", "100ms", "--grace", "300ms"];
    const running = await run(t, "shop/restarter", { traits: ["stubborn"], options });
    const [first] = await running.said(started(1));
    await shop.bring("shop/token", "shop/restarter", value());
    const said = await running.said(started(2));
    assert.throws(() => process.kill(first?.pid ?? 0, 0), { code: "ESRCH" });
    process.kill(said.at(-1)?.pid ?? 0, "SIGKILL");
    assert.equal((await running.ended).code, 137);
  });

  test("writes the files again for a process that watches them, which goes on (R35)", async (t) => {
    const running = await run(t, "shop/watcher", { traits: ["watches"] });
    const [first] = await running.said(started(1));
    const next = value();
    await shop.bring("shop/token", "shop/watcher", next);
    const said = await running.said((lines) => events(lines).includes("changed"));
    assert.deepEqual(events(said), ["start", "changed"]);
    assert.equal(said[1]?.pid, first?.pid);
    assert.equal(said[1]?.files.SHOP_TOKEN_FILE, next);
    // Its variables cannot change while it runs: they stand in a file as well.
    assert.match(said[1]?.files.KEYPLANE_ENV_FILE ?? "", new RegExp(`^SHOP_TOKEN='${next}'$`, "m"));
  });

  test("writes the files again and signals a process that asks for it (R35)", async (t) => {
    const running = await run(t, "shop/signalled");
    const [first] = await running.said(started(1));
    const next = value();
    await shop.bring("shop/token", "shop/signalled", next);
    const said = await running.said((lines) => events(lines).includes("SIGHUP"));
    assert.equal(said[1]?.pid, first?.pid);
    assert.equal(said[1]?.files.SHOP_TOKEN_FILE, next);
  });
});
