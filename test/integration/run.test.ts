import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { type Instance, instancesOf } from "../../operations/delivery/instances.ts";
import type { Sink } from "../../operations/delivery/sink.ts";
import { sinksOf } from "../../operations/delivery/sinks.ts";
import { until } from "./services/until.ts";
import { keyplane } from "./support/keyplane.ts";
import { type Options, type Running, runService } from "./support/run-service.ts";
import { consumerOf, type Said, type Shop, startShop } from "./support/shop.ts";

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

const run = (t: TestContext, service: string, options?: Options) => runService(t, shop, service, options);

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

  test("does not start a process again whose values are the same, whatever their version (R34)", async (t) => {
    const running = await run(t, "shop/restarter", { options: ["--poll", "50ms"] });
    await running.said(started(1));
    const path = consumerOf(shop.model, "shop/token", "shop/restarter")[1].path;
    const { data } = await shop.vault.root.request<{ data: unknown; metadata: { version: number } }>(
      "GET",
      `kv/data/${path}`,
    );
    await shop.vault.root.write(`kv/data/${path}`, { data: data.data });
    const version = data.metadata.version + 1;
    await until(
      async () => (await instanceOf(running, "shop/restarter"))?.versions["shop/token"] === version,
    );
    assert.deepEqual(events(await running.said(() => true)), ["start"]);
  });

  test("starts nothing when a value is missing, and names what", async (t) => {
    const running = await run(t, "shop/lacking");
    const { code, stderr } = await running.ended;
    assert.equal(code, 2);
    assert.match(stderr, /shop\/lacking lacks SHOP_OTHER \(shop\/other\), SHOP_OTHER_FILE \(shop\/other\)/);
    assert.deepEqual(await running.said(() => true), []);
  });

  test("says what a shell says of a command that is not there", async (t) => {
    const running = await run(t, "shop/restarter", { command: ["keyplane-no-such-command"] });
    assert.equal((await running.ended).code, 127);
  });

  test("goes on while Vault is away, and brings what is new when it is back", async (t) => {
    const running = await run(t, "shop/restarter");
    await running.said(started(1));
    await shop.away();
    t.after(() => shop.back());
    const next = value();
    await shop.bring("shop/token", "shop/restarter", next);
    await until(async () => (await instanceOf(running, "shop/restarter"))?.problem !== undefined);
    assert.match((await instanceOf(running, "shop/restarter"))?.problem ?? "", /could not be reached/);
    assert.deepEqual(events(await running.said(() => true)), ["start"]);
    await shop.back();
    const said = await running.said(started(2));
    assert.equal(said.at(-1)?.variables.SHOP_TOKEN, next);
    assert.equal((await instanceOf(running, "shop/restarter"))?.problem, undefined);
  });

  test("goes on with what it has when a value is removed from Vault", async (t) => {
    await shop.bring("shop/other", "shop/restarter", value());
    const running = await run(t, "shop/restarter");
    await running.said(started(1));
    const path = consumerOf(shop.model, "shop/other", "shop/restarter")[1].path;
    await shop.vault.root.delete(`kv/data/${path}`);
    await until(async () =>
      /lacks SHOP_OTHER/.test((await instanceOf(running, "shop/restarter"))?.problem ?? ""),
    );
    assert.deepEqual(events(await running.said(() => true)), ["start"]);
    await shop.bring("shop/other", "shop/restarter", value());
    await running.said(started(2));
  });

  test("goes on with what it has when the next value cannot be brought", async (t) => {
    const running = await run(t, "shop/watcher", { traits: ["watches"] });
    await running.said(started(1));
    await shop.bring("shop/token", "shop/watcher", `both ' and " ${value()}`);
    const problem = async () => (await instanceOf(running, "shop/watcher"))?.problem ?? "";
    await until(async () => /cannot carry SHOP_TOKEN \(holds both/.test(await problem()));
    assert.deepEqual(events(await running.said(() => true)), ["start"]);
    await shop.bring("shop/token", "shop/watcher", value());
    await running.said((said) => events(said).includes("changed"));
  });

  test("logs in again when its token was revoked", async (t) => {
    const running = await run(t, "shop/restarter");
    await running.said(started(1));
    await shop.vault.root.write("sys/leases/revoke-prefix/auth/approle/login");
    const next = value();
    await shop.bring("shop/token", "shop/restarter", next);
    assert.equal((await running.said(started(2))).at(-1)?.variables.SHOP_TOKEN, next);
  });

  test("revokes its token at its end", async (t) => {
    const tokens = () => shop.vault.root.list("auth/token/accessors");
    const before = new Set(await tokens());
    const running = await run(t, "shop/restarter");
    await running.said(started(1));
    const made = (await tokens()).filter((accessor) => !before.has(accessor));
    assert.equal(made.length, 1);
    running.kill("SIGTERM");
    await running.ended;
    assert.deepEqual(
      (await tokens()).filter((accessor) => made.includes(accessor)),
      [],
    );
  });

  test("takes the token of whoever starts it, and leaves it alone", async (t) => {
    const policy = shop.model.services.find(({ id }) => id === "shop/restarter")?.policy;
    const { auth } = await shop.vault.root.write("auth/token/create", { policies: [policy], ttl: "10m" });
    const VAULT_TOKEN = auth?.client_token ?? "";
    const running = await run(t, "shop/restarter", { environment: { VAULT_TOKEN, VAULT_ROLE_ID: "" } });
    const [said] = await running.said(started(1));
    assert.equal(said?.variables.VAULT_TOKEN, undefined);
    running.kill("SIGTERM");
    assert.equal((await running.ended).code, 7);
    await shop.vault.root.with(VAULT_TOKEN).request("GET", "auth/token/lookup-self");
  });

  test("takes no secret id from a file that others can read", async (t) => {
    const file = join(shop.folder, "open");
    await writeFile(file, "x", { mode: 0o644 });
    const running = await run(t, "shop/restarter", { environment: { VAULT_SECRET_ID_FILE: file } });
    const { code, stderr } = await running.ended;
    assert.equal(code, 3);
    assert.match(stderr, /chmod 600/);
  });

  test("is not started again when it is ended while it is being started again", async (t) => {
    const options = ["--poll", "50ms", "--grace", "2s"];
    const running = await run(t, "shop/restarter", { traits: ["stubborn"], options });
    await running.said(started(1));
    await shop.bring("shop/token", "shop/restarter", value());
    await running.said((said) => events(said).includes("SIGTERM"));
    running.kill("SIGTERM");
    assert.equal((await running.ended).code, 137);
    assert.equal(events(await running.said(() => true)).filter((event) => event === "start").length, 1);
  });

  test("keeps values out of arguments, output and its description (R54)", async (t) => {
    const token = value();
    await shop.bring("shop/token", "shop/restarter", token);
    const running = await run(t, "shop/restarter");
    const [first] = await running.said(started(1));
    const next = value();
    await shop.bring("shop/token", "shop/restarter", next);
    await running.said(started(2));
    for (const pid of [running.pid, (await running.said(() => true)).at(-1)?.pid]) {
      assert.doesNotMatch(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""), /canary/);
    }
    for (const name of await readdir(join(running.home, "run"))) {
      assert.doesNotMatch(await readFile(join(running.home, "run", name), "utf8"), /canary/, name);
    }
    running.kill("SIGTERM");
    const { stdout, stderr } = await running.ended;
    assert.doesNotMatch(`${stdout}${stderr}`, /canary/);
    assert.match(stderr, /shop\/restarter: shop\/token version \d+: restarting/);
    assert.equal(first?.variables.SHOP_TOKEN, token);
  });
});

describe("a rotation sees what `keyplane run` runs", () => {
  const sinkOf = ({ home }: Running, id: string): Sink => {
    const service = shop.model.services.find((candidate) => candidate.id === id);
    assert.ok(service !== undefined);
    const [sink] = sinksOf(shop.model, service, { runs: join(home, "run") });
    assert.ok(sink !== undefined);
    return sink;
  };

  for (const [id, traits, event] of [
    ["shop/restarter", [], "start"],
    ["shop/watcher", ["watches"], "changed"],
    ["shop/signalled", [], "SIGHUP"],
  ] as [string, string[], string][]) {
    test(`${id}: the next version at once when it is told to look, and not before it runs`, async (t) => {
      const running = await run(t, id, { traits, options: ["--poll", "10m"] });
      await running.said(started(1));
      const sink = sinkOf(running, id);
      const version = await shop.bring("shop/token", id, value());
      await until(async () => (await sink.running("shop/token", version - 1)).state === "runs");
      assert.equal((await sink.running("shop/token", version)).state, "behind");
      await sink.reload();
      await until(async () => (await sink.running("shop/token", version)).state === "runs");
      const said = await running.said((lines) => lines.length > 1 && lines.at(-1)?.event === event);
      assert.ok(said.length <= 3, events(said).join());
    });
  }

  test("a service that does not read its new files is behind", async (t) => {
    const running = await run(t, "shop/watcher", { options: ["--poll", "50ms"] });
    await running.said(started(1));
    const version = await shop.bring("shop/token", "shop/watcher", value());
    await until(async () => (await instanceOf(running, "shop/watcher"))?.versions["shop/token"] === version);
    const seen = await sinkOf(running, "shop/watcher").running("shop/token", version);
    assert.match(seen.state === "behind" ? seen.why : "", /has not read .*token since it was written/);
  });

  test("a supervisor that was killed is none, and what it left goes with the next one", async (t) => {
    const running = await run(t, "shop/restarter");
    const [said] = await running.said(started(1));
    const folder = dirname(said?.variables.SHOP_TOKEN_FILE ?? "");
    await until(async () => (await instanceOf(running, "shop/restarter"))?.child !== undefined);
    running.kill("SIGKILL");
    await running.gone;
    assert.equal((await sinkOf(running, "shop/restarter").running("shop/token", 1)).state, "unobservable");
    // Its service is an orphan that still reads its files: they stay.
    const second = await run(t, "shop/restarter", { home: running.home });
    await second.said(started(1));
    assert.ok((await stat(folder)).isDirectory());
    process.kill(said?.pid ?? 0, "SIGKILL");
    second.kill("SIGTERM");
    assert.match((await second.ended).stderr, /its supervisor \(process \d+\) was killed/);
    const third = await run(t, "shop/restarter", { home: running.home });
    await third.said(started(1));
    await assert.rejects(stat(folder), { code: "ENOENT" });
  });

  test("also of one that was killed in the moment in which its service started", async (t) => {
    const noted = join(shop.folder, "noted");
    const command = ["sh", "-c", `kill -9 $PPID; dirname "$SHOP_TOKEN_FILE" > ${noted}`];
    const running = await run(t, "shop/restarter", { command });
    await running.ended;
    const folder = (await readFile(noted, "utf8")).trim();
    assert.ok((await stat(folder)).isDirectory());
    const next = await run(t, "shop/restarter", { home: running.home });
    await next.said(started(1));
    await assert.rejects(stat(folder), { code: "ENOENT" });
  });
});

describe("keyplane run --dry-run", () => {
  test("prints variables and where each comes from, without Vault and without a value", async () => {
    const args = [
      "run",
      "shop/restarter",
      "--catalogue",
      shop.catalogue,
      "--environment",
      "staging",
      "--dry-run",
    ];
    const home = join(shop.folder, "nothing");
    const { code, stdout } = await keyplane(home, args, { environment: { VAULT_CACERT: "" } });
    assert.equal(code, 0);
    assert.equal(
      stdout,
      [
        "LAB              settings of the catalogue",
        "SHOP_OTHER       kv/services/shop/restarter/other#token",
        "SHOP_TOKEN       kv/services/shop/restarter/token#token",
        "SHOP_TOKEN_FILE  kv/services/shop/restarter/token#token, in the file shop_token",
        "A new version: restart.\n",
      ].join("\n"),
    );
    const json = await keyplane(home, [...args, "--json"], { environment: { VAULT_CACERT: "" } });
    assert.deepEqual(
      JSON.parse(json.stdout).variables.map(({ variable }: { variable: string }) => variable),
      ["LAB", "SHOP_OTHER", "SHOP_TOKEN", "SHOP_TOKEN_FILE"],
    );
    await assert.rejects(stat(home), { code: "ENOENT" });
  });
});

/** How an instance describes itself. */
async function instanceOf({ home }: Running, service: string): Promise<Instance | undefined> {
  return (await instancesOf(join(home, "run"), service))[0];
}
