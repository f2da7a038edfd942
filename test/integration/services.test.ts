import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmod, mkdir, readdir, readFile, readlink, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { connect } from "node:tls";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import pg from "pg";
import { Agent, request } from "undici";
import { Vault, VaultError } from "../../clients/vault.ts";
import { layout } from "../../local/services/home.ts";
import {
  connectServices,
  forgetRootToken,
  gitHubClaims,
  type LocalServices,
  regenerateRoot,
  servicesStatus,
  signGitHubToken,
  stopServices,
} from "../../local/services/index.ts";
import { processesIn, testServices } from "./running-services.ts";

const quiet = () => {};
const states = async (home: string) =>
  (await servicesStatus(home)).map(({ name, state }) => `${name}: ${state}`);
const allRunning = ["vault: running", "postgres: running", "issuer: running"];
const addresses = ({ vault, postgres, issuer }: LocalServices) => [vault.address, postgres.port, issuer.url];

async function superuser(services: LocalServices): Promise<pg.Client> {
  const { postgres, issuer } = services;
  const password = (await readFile(postgres.passwordFile, "utf8")).trim();
  const client = new pg.Client({
    ...postgres,
    user: postgres.superuser,
    password,
    database: "postgres",
    ssl: { ca: issuer.ca },
  });
  // The server may be stopped before the client is ended.
  client.on("error", () => {});
  await client.connect();
  return client;
}

test("the first start brings up an unsealed Vault, Postgres and an issuer, and the second changes nothing", async (t) => {
  const services = await testServices(t);
  const first = await services.start();
  assert.deepEqual(await states(services.home), allRunning);
  const pids = await services.pids();

  const second = await services.start();
  assert.deepEqual(second, first);
  assert.deepEqual(await services.pids(), pids);
  assert.deepEqual(services.steps.map(({ subject, state }) => `${subject}: ${state}`).sort(), [
    "issuer: unchanged",
    "postgres: unchanged",
    "vault: unchanged",
  ]);
});

test("stopped services are stopped, say so, and come back with their data at their addresses", async (t) => {
  const services = await testServices(t);
  const first = await services.start();
  const root = new Vault({
    address: first.vault.address,
    ca: first.vault.ca,
    token: first.vault.rootToken ?? "",
  });
  t.after(() => root.close());
  await root.write("sys/mounts/kv", { type: "kv-v2" });
  const before = await superuser(first);
  await before.query("CREATE TABLE kept (note text)");
  await before.end();

  await stopServices(services.home, { deleteData: false, report: quiet });
  assert.deepEqual(await processesIn(services.home), []);
  assert.deepEqual(await states(services.home), ["vault: stopped", "postgres: stopped", "issuer: stopped"]);
  await assert.rejects(connectServices(services.home), /vault is stopped.*Run `keyplane up`/);

  const again = await services.start();
  assert.deepEqual(addresses(again), addresses(first));
  assert.deepEqual(await connectServices(services.home), again);
  assert.ok((await root.read("sys/mounts/kv")) !== undefined);
  const after = await superuser(again);
  assert.equal((await after.query("SELECT FROM kept")).rowCount, 0);
  await after.end();
});

test("nothing listens beyond 127.0.0.1", async (t) => {
  const services = await testServices(t);
  await services.start();
  const pids = new Set(await processesIn(services.home));
  assert.ok(pids.size >= 3);
  const listening = await listenersOf(pids);
  assert.equal(listening.length, 4, "Vault (2), Postgres, issuer");
  for (const address of listening) assert.match(address, /^0100007F:/, "127.0.0.1 as the kernel writes it");
});

/** Local addresses on which processes listen, in the kernel's form; proc_net_tcp(5). */
async function listenersOf(pids: Set<number>): Promise<string[]> {
  const sockets = new Set<string>();
  for (const pid of pids) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""))?.[1];
      if (inode !== undefined) sockets.add(inode);
    }
  }
  const addresses = new Set<string>();
  for (const table of ["tcp", "tcp6"]) {
    for (const line of (await readFile(`/proc/net/${table}`, "utf8")).split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (state === "0A" && sockets.has(inode)) addresses.add(local);
    }
  }
  return [...addresses];
}

test("only the owner may read the state folder, and no file in it is readable by others (R45)", async (t) => {
  const services = await testServices(t);
  await services.start();
  assert.equal((await stat(services.home)).mode & 0o777, 0o700);
  const { vault, postgres, issuer, tls, processes, logs } = layout(services.home);
  for (const path of [
    vault.keys,
    vault.settings,
    postgres.password,
    issuer.key,
    issuer.settings,
    tls.caWithKey,
    tls.leaf("vault"),
    processes,
    join(logs, "vault.log"),
    join(logs, "postgres.log"),
  ]) {
    assert.equal((await stat(path)).mode & 0o777, 0o600, path);
  }
});

test("no secret is in the arguments or the environment of a server (R54)", async (t) => {
  const services = await testServices(t);
  const { postgres, vault } = await services.start();
  const secrets = [
    (await readFile(postgres.passwordFile, "utf8")).trim(),
    ...((JSON.parse(await readFile(vault.unsealKeysFile, "utf8")) as { unsealKeys: string[] }).unsealKeys ??
      []),
    vault.rootToken ?? "",
  ];
  assert.ok(secrets.length === 3 && secrets.every((secret) => secret.length > 20));
  for (const pid of await processesIn(services.home)) {
    const seen = `${await readFile(`/proc/${pid}/cmdline`, "utf8")}${await readFile(`/proc/${pid}/environ`, "utf8")}`;
    for (const secret of secrets) assert.ok(!seen.includes(secret), `process ${pid}`);
  }
  for (const log of await readdir(layout(services.home).logs)) {
    const text = await readFile(join(layout(services.home).logs, log), "utf8");
    for (const secret of secrets) assert.ok(!text.includes(secret), log);
  }
});

test("Postgres takes TLS and SCRAM, and refuses a wrong password", async (t) => {
  const services = await testServices(t);
  const client = await superuser(await services.start());
  t.after(() => client.end());
  const { rows } = await client.query(
    "SELECT ssl, rolpassword LIKE 'SCRAM-SHA-256$%' AS scram FROM pg_stat_ssl, pg_authid WHERE pid = pg_backend_pid() AND rolname = current_user",
  );
  assert.deepEqual(rows, [{ ssl: true, scram: true }]);
  const { port } = (await connectServices(services.home)).postgres;
  const wrong = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password: "wrong",
    database: "postgres",
  });
  await assert.rejects(wrong.connect(), { code: "28P01" });
});

test("Postgres logs every statement where a test asks for it", async (t) => {
  const services = await testServices(t);
  const running = await services.start({ postgresSettings: { log_statement: "all" } });
  const client = await superuser(running);
  await client.query("SELECT 'seen in the log'");
  await client.end();
  assert.match(await readFile(running.postgres.logFile, "utf8"), /SELECT 'seen in the log'/);
});

test("the issuer's tokens verify against the key that it serves over TLS (R11)", async (t) => {
  const services = await testServices(t);
  const { home, issuer } = await services.start();
  const agent = new Agent({ connect: { ca: issuer.ca } });
  t.after(() => agent.close());
  const get = async <T>(url: string) => (await (await request(url, { dispatcher: agent })).body.json()) as T;
  const discovery = await get<{
    issuer: string;
    jwks_uri: string;
    id_token_signing_alg_values_supported: string[];
  }>(`${issuer.url}/.well-known/openid-configuration`);
  assert.equal(discovery.issuer, issuer.url);
  assert.deepEqual(discovery.id_token_signing_alg_values_supported, ["RS256"]);
  const keys = createLocalJWKSet(await get<JSONWebKeySet>(discovery.jwks_uri));
  const job = {
    issuer: issuer.url,
    audience: "https://github.com/acme",
    repository: "acme/titan",
    repositoryId: 821093847,
    ownerId: 5544123,
    ref: "refs/heads/main",
    workflow: "deploy.yml",
  };
  const token = await signGitHubToken(home, gitHubClaims(job));
  const { payload } = await jwtVerify(token, keys, { issuer: issuer.url, audience: job.audience });
  assert.equal(payload.sub, "repo:acme/titan:ref:refs/heads/main");
  assert.equal((await request(`${issuer.url}/`, { dispatcher: agent })).statusCode, 404);
  await assert.rejects(request(discovery.jwks_uri), /unable to verify the first certificate/);
});

test("the real Vault logs a job in with the issuer's token (R11)", async (t) => {
  const services = await testServices(t);
  const { home, issuer, vault } = await services.start();
  const root = new Vault({ address: vault.address, ca: vault.ca, token: vault.rootToken ?? "" });
  t.after(() => root.close());
  await root.write("sys/auth/github", { type: "jwt" });
  await root.write("auth/github/config", {
    oidc_discovery_url: issuer.url,
    oidc_discovery_ca_pem: issuer.ca,
    bound_issuer: issuer.url,
  });
  await root.write("auth/github/role/deploy", {
    role_type: "jwt",
    user_claim: "repository_id",
    bound_audiences: ["https://github.com/acme"],
    bound_claims: { repository_id: "821093847", environment: "production" },
    token_policies: ["default"],
  });
  const job = {
    issuer: issuer.url,
    audience: "https://github.com/acme",
    repository: "acme/titan",
    repositoryId: 821093847,
    ownerId: 5544123,
    ref: "refs/heads/main",
    environment: "production",
    workflow: "deploy.yml",
  };
  const login = async (claims: object) =>
    root
      .with(undefined)
      .write("auth/github/login", { role: "deploy", jwt: await signGitHubToken(home, { ...claims }) });
  assert.deepEqual((await login(gitHubClaims(job))).auth?.policies, ["default"]);
  await assert.rejects(login(gitHubClaims({ ...job, environment: "staging" })), VaultError);
});

test("Vault may write audit files into both folders (R51)", async (t) => {
  const services = await testServices(t);
  const { vault } = await services.start();
  const root = new Vault({ address: vault.address, ca: vault.ca, token: vault.rootToken ?? "" });
  t.after(() => root.close());
  for (const [index, folder] of vault.auditDirectories.entries()) {
    await root.write(`sys/audit/${index}`, {
      type: "file",
      options: { file_path: join(folder, "audit.log") },
    });
  }
  await root.read("sys/mounts");
  for (const folder of vault.auditDirectories) {
    assert.match(await readFile(join(folder, "audit.log"), "utf8"), /"path":"sys\/mounts"/);
  }
});

test("a new root token is made with the unseal key, kept until it is forgotten, and works", async (t) => {
  const services = await testServices(t);
  const running = await services.start();
  const client = new Vault({ address: running.vault.address, ca: running.vault.ca });
  t.after(() => client.close());
  await client.with(running.vault.rootToken).write("auth/token/revoke-self");
  await forgetRootToken(services.home);
  assert.equal((await connectServices(services.home)).vault.rootToken, undefined);

  // An attempt that was cut short must not stand in the way.
  await client.request("PUT", "sys/generate-root/attempt", { body: {} });
  const token = await regenerateRoot(running);
  assert.equal((await connectServices(services.home)).vault.rootToken, token);
  assert.deepEqual(
    (await client.with(token).read<{ policies: string[] }>("auth/token/lookup-self"))?.policies,
    ["root"],
  );
});

test("a port that another process took meanwhile is given up, and said", async (t) => {
  const services = await testServices(t);
  const first = await services.start();
  await stopServices(services.home, { deleteData: false, report: quiet });
  const taken = [Number(new URL(first.vault.address).port), first.postgres.port];
  for (const port of taken) {
    const server = createServer().listen(port, "127.0.0.1");
    t.after(() => server.close());
    await new Promise((resolve) => server.once("listening", resolve));
  }
  const second = await services.start();
  assert.equal(second.issuer.url, first.issuer.url);
  assert.notEqual(second.vault.address, first.vault.address);
  assert.notEqual(second.postgres.port, first.postgres.port);
  assert.deepEqual(await states(services.home), allRunning);
  for (const port of taken) {
    assert.ok(
      services.steps.some(({ text }) =>
        text.startsWith(`port ${port} was taken by another process, so it moves to `),
      ),
    );
  }
});

test("a Vault that ends at once is reported with its last lines and what to do", async (t) => {
  const services = await testServices(t);
  const broken = join(services.home, "..", "vault");
  await writeFile(
    broken,
    "#!/bin/sh\necho 'Error initializing listener: bind: address already in use'\nexit 1\n",
  );
  await chmod(broken, 0o755);
  await assert.rejects(services.start({ vault: broken }), (error: Error) => {
    assert.equal(error.name, "ServiceError");
    assert.match(error.message, /^vault ended as soon as it was started\. Its port was taken/);
    assert.match(error.message, /The last lines of .*vault\.log:\n {2}Error initializing listener/);
    return true;
  });
  assert.equal((await states(services.home))[0], "vault: stopped");
});

test("a Vault that is sealed is reported as sealed, and unsealed by the next start", async (t) => {
  const services = await testServices(t);
  const { vault } = await services.start();
  const root = new Vault({ address: vault.address, ca: vault.ca, token: vault.rootToken ?? "" });
  t.after(() => root.close());
  await root.write("sys/seal");
  const [status] = await servicesStatus(services.home);
  assert.deepEqual([status?.state, status?.reason], ["sealed", "it is sealed"]);
  await services.start();
  assert.deepEqual(await states(services.home), allRunning);
});

test("a renewed certificate is served without a restart", async (t) => {
  const services = await testServices(t);
  const { vault, issuer, postgres } = await services.start();
  const pids = await services.pids();
  const ports = [Number(new URL(vault.address).port), Number(new URL(issuer.url).port)];
  const before = await Promise.all(ports.map((port) => servedSerial(port, vault.ca)));
  const { tls } = layout(services.home);
  for (const name of ["vault", "issuer", "postgres"]) await rm(tls.leaf(name));
  await services.start();
  assert.deepEqual(await services.pids(), pids);
  for (const [index, name] of ["vault", "issuer"].entries()) {
    const stored = new X509Certificate(await readFile(tls.leaf(name))).serialNumber;
    assert.notEqual(stored, before[index]);
    assert.equal(await servedSerial(ports[index] ?? 0, vault.ca), stored, name);
  }
  const client = await superuser({ ...(await connectServices(services.home)), postgres });
  await client.end();
});

async function servedSerial(port: number, ca: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, ca });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

test("a table of processes that was lost is made again, and no server runs twice", async (t) => {
  const services = await testServices(t);
  await services.start();
  await writeFile(layout(services.home).processes, "{ half");
  await services.start();
  assert.deepEqual(await states(services.home), allRunning);
  const servers = await processesIn(services.home);
  const vaults = await Promise.all(
    servers.map(async (pid) => (await readFile(`/proc/${pid}/cmdline`, "utf8")).includes("vault\0server")),
  );
  assert.equal(vaults.filter(Boolean).length, 1);
});

test("two starts at once end in one set of servers", async (t) => {
  const services = await testServices(t);
  const [first, second] = await Promise.all([services.start(), services.start()]);
  assert.deepEqual(first, second);
  assert.deepEqual(await states(services.home), allRunning);
});

test("down --delete stops everything and removes the folder; a second one has nothing to do", async (t) => {
  const services = await testServices(t);
  await services.start();
  await stopServices(services.home, { deleteData: true, report: quiet });
  await assert.rejects(stat(services.home), { code: "ENOENT" });
  assert.deepEqual(await processesIn(services.home), []);
  await stopServices(services.home, { deleteData: true, report: quiet });
});

test("down --delete refuses a folder that is not ours and leaves it alone", async (t) => {
  const services = await testServices(t);
  await mkdir(services.home);
  await writeFile(join(services.home, "letters.txt"), "dear");
  await assert.rejects(
    stopServices(services.home, { deleteData: true, report: quiet }),
    /was not made by keyplane/,
  );
  await assert.rejects(services.start(), /holds files that keyplane did not make/);
  assert.deepEqual(await readdir(services.home), ["letters.txt"]);
});

test("Postgres' data without its password is refused with a way out, and left alone", async (t) => {
  const services = await testServices(t);
  const { postgres } = await services.start();
  await stopServices(services.home, { deleteData: false, report: quiet });
  await rename(postgres.passwordFile, `${postgres.passwordFile}.away`);
  await assert.rejects(
    services.start(),
    /superuser's password is not in .*Put the file back; or `keyplane down --delete`/,
  );
  await writeFile(postgres.passwordFile, "of another server\n");
  await assert.rejects(
    services.start(),
    /Postgres refused the superuser's password.*Put the right file back/,
  );
  await rename(`${postgres.passwordFile}.away`, postgres.passwordFile);
  await services.start();
  assert.deepEqual(await states(services.home), allRunning);
});
