/** What running services promise, looked at on one set of them. */
import assert from "node:assert/strict";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import test, { after } from "node:test";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import pg from "pg";
import { Agent, request } from "undici";
import { Vault, VaultError } from "../../clients/vault.ts";
import { layout } from "../../local/services/home.ts";
import { type GitHubJob, gitHubClaims, signGitHubToken } from "../../local/services/index.ts";
import { processesIn, superuser, testServices } from "./running-services.ts";

const services = await testServices({ after });
const running = await services.start({ postgresSettings: { log_statement: "all" } });

test("nothing listens beyond 127.0.0.1", async () => {
  const pids = new Set(await processesIn(services.home));
  assert.ok(pids.size >= 4);
  const listening = await listenersOf(pids);
  assert.equal(listening.length, 5, "Vault (2), Postgres, issuer, the AWS emulator");
  for (const address of listening) assert.match(address, /^0100007F:/, "127.0.0.1 as the kernel writes it");
});

test("only the owner may read the state folder, and no file in it is readable by others (R45)", async () => {
  assert.equal((await stat(services.home)).mode & 0o777, 0o700);
  const open: string[] = [];
  for (const entry of await readdir(services.home, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    // Files of the servers come and go while we look.
    const mode = await stat(path).then(
      ({ mode }) => mode,
      () => 0,
    );
    if ((mode & 0o077) !== 0) open.push(relative(services.home, path));
  }
  // Empty: it is only locked, never written.
  assert.deepEqual(open, ["services.lock"]);
  assert.equal((await stat(layout(services.home).lock)).size, 0);
});

test("no secret is in the arguments or the environment of a server (R54)", async () => {
  const { postgres, vault } = running;
  const secrets = [
    (await readFile(postgres.passwordFile, "utf8")).trim(),
    ...((JSON.parse(await readFile(vault.unsealKeysFile, "utf8")) as { unsealKeys: string[] }).unsealKeys ??
      []),
    vault.rootToken ?? "",
  ];
  assert.ok(secrets.length === 3 && secrets.every((secret) => secret.length > 20));
  let looked = 0;
  for (const pid of await processesIn(services.home)) {
    // Postgres' own workers come and go while we look.
    const seen = await Promise.all(
      ["cmdline", "environ"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "")),
    );
    if (seen.every((text) => text !== "")) looked++;
    for (const secret of secrets) assert.ok(!seen.join("").includes(secret), `process ${pid}`);
  }
  assert.ok(looked >= 4, "at least Vault, Postgres, the issuer and the AWS emulator");
  for (const log of await readdir(layout(services.home).logs)) {
    const text = await readFile(join(layout(services.home).logs, log), "utf8");
    for (const secret of secrets) assert.ok(!text.includes(secret), log);
  }
});

test("Postgres takes TLS and SCRAM, and refuses a wrong password", async (t) => {
  const client = await superuser(running);
  t.after(() => client.end());
  const { rows } = await client.query(
    "SELECT ssl, rolpassword LIKE 'SCRAM-SHA-256$%' AS scram FROM pg_stat_ssl, pg_authid WHERE pid = pg_backend_pid() AND rolname = current_user",
  );
  assert.deepEqual(rows, [{ ssl: true, scram: true }]);
  const { port } = running.postgres;
  const wrong = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password: "wrong",
    database: "postgres",
  });
  await assert.rejects(wrong.connect(), { code: "28P01" });
});

test("Postgres logs every statement where a test asks for it", async () => {
  const client = await superuser(running);
  await client.query("SELECT 'seen in the log'");
  await client.end();
  assert.match(await readFile(running.postgres.logFile, "utf8"), /SELECT 'seen in the log'/);
});

const deployment: GitHubJob = {
  issuer: running.issuer.url,
  audience: "https://github.com/acme",
  repository: "acme/titan",
  repositoryId: 821093847,
  ownerId: 5544123,
  ref: "refs/heads/main",
  workflow: "deploy.yml",
};

test("the issuer's tokens verify against the key that it serves over TLS (R11)", async (t) => {
  const { home, issuer } = running;
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
  const token = await signGitHubToken(home, gitHubClaims(deployment));
  const { payload } = await jwtVerify(token, keys, { issuer: issuer.url, audience: deployment.audience });
  assert.equal(payload.sub, "repo:acme/titan:ref:refs/heads/main");
  assert.equal((await request(`${issuer.url}/`, { dispatcher: agent })).statusCode, 404);
  await assert.rejects(request(discovery.jwks_uri), /unable to verify the first certificate/);
});

test("the real Vault logs a job in with the issuer's token (R11)", async (t) => {
  const { home, issuer, vault } = running;
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
  const login = async (claims: object) =>
    root
      .with(undefined)
      .write("auth/github/login", { role: "deploy", jwt: await signGitHubToken(home, { ...claims }) });
  assert.deepEqual((await login(gitHubClaims({ ...deployment, environment: "production" }))).auth?.policies, [
    "default",
  ]);
  await assert.rejects(login(gitHubClaims({ ...deployment, environment: "staging" })), VaultError);
});

test("Vault may write audit files into both folders (R51)", async (t) => {
  const { vault } = running;
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
