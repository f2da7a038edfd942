import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { Vault } from "../../clients/vault.ts";
import { emulatorProblem, emulatorSettings, startEmulator } from "../../local/services/emulator/index.ts";
import { layout } from "../../local/services/home.ts";
import {
  connectServices,
  forgetRootToken,
  type LocalServices,
  regenerateRoot,
  servicesStatus,
  stopServices,
} from "../../local/services/index.ts";
import { choosePostgresUser } from "../../local/services/postgres-user.ts";
import { isAlive, lastArguments, ProcessTable } from "../../local/services/process-table.ts";
import { findEmulator } from "../../local/toolchain/emulator.ts";
import { findTool } from "../../local/toolchain/index.ts";
import { processesIn, superuser, testServices } from "./running-services.ts";

const quiet = () => {};
const states = async (home: string) =>
  (await servicesStatus(home)).map(({ name, state }) => `${name}: ${state}`);
const allRunning = ["vault: running", "postgres: running", "issuer: running", "aws: running"];
const addresses = ({ vault, postgres, issuer, aws }: LocalServices) => [
  vault.address,
  postgres.port,
  issuer.url,
  aws.endpoint,
];

test("the first start brings up an unsealed Vault, Postgres, an issuer and the AWS emulator, and the second changes nothing", async (t) => {
  const services = await testServices(t);
  const first = await services.start();
  assert.deepEqual(await states(services.home), allRunning);
  const pids = await services.pids();

  const second = await services.start();
  assert.deepEqual(second, first);
  assert.deepEqual(await services.pids(), pids);
  assert.deepEqual(services.steps.map(({ subject, state }) => `${subject}: ${state}`).sort(), [
    "aws: unchanged",
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
  assert.deepEqual(await states(services.home), [
    "vault: stopped",
    "postgres: stopped",
    "issuer: stopped",
    "aws: stopped",
  ]);
  await assert.rejects(connectServices(services.home), /vault is stopped.*Run `keyplane up`/);

  const again = await services.start();
  assert.deepEqual(addresses(again), addresses(first));
  assert.deepEqual(await connectServices(services.home), again);
  assert.ok((await root.read("sys/mounts/kv")) !== undefined);
  const after = await superuser(again);
  assert.equal((await after.query("SELECT FROM kept")).rowCount, 0);
  await after.end();
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

test("a port that another process takes between its choice and its use is given up as well, and said", async (t) => {
  const services = await testServices(t);
  const late = join(services.home, "..", "vault");
  const log = "Error initializing listener: bind: address already in use";
  const [path, tried] = [await findTool("vault", quiet), `${late}.tried`];
  await writeFile(
    late,
    `#!/bin/sh\n[ -e '${tried}' ] && exec '${path}' "$@"\ntouch '${tried}'; echo '${log}'; exit 1\n`,
  );
  await chmod(late, 0o755);
  await services.start({ vault: late });
  assert.deepEqual(await states(services.home), allRunning);
  const said = services.steps.filter(({ text }) => text.includes("was taken by another process"));
  assert.deepEqual(
    said.map(({ subject }) => subject),
    ["vault", "vault"],
  );
});

test("an emulator of another state folder, which was quicker to take the port, is not taken for its own", async (t) => {
  const [one, other] = [await testServices(t), await testServices(t)];
  const { aws } = await one.start({ only: ["aws"] });
  const port = Number(new URL(aws.endpoint).port);
  // What it chose is taken while its process starts: as if it had been free when it was looked at.
  const taken: LocalServices = await other.start({ only: [] });
  const table = await ProcessTable.read(taken.home);
  await table.rememberPort("aws", port);
  const launch = async (at: number) =>
    startEmulator({
      ...{ home: taken.home, port: at, table, report: quiet },
      python: () => findEmulator(quiet),
    });
  await assert.rejects(launch(port), { name: "PortTakenError", message: /it will use another port/ });
  assert.equal(await emulatorProblem(taken.home, aws.endpoint), "another program answers at its port");
  assert.equal(await emulatorProblem(one.home, aws.endpoint), undefined);
});

test("an emulator that code of before started, which does not say whose it is, is started again", async (t) => {
  const services = await testServices(t);
  const { home, aws } = await services.start({ only: ["aws"] });
  await services.kill("aws");
  const port = Number(new URL(aws.endpoint).port);
  const [python, table] = [await findEmulator(quiet), await ProcessTable.read(home)];
  const server = await readFile("local/services/emulator/server.py", "utf8");
  const before = join(home, "..", "server.py");
  await writeFile(before, server.replaceAll('"/_keyplane/settings"', '"/none"'));
  await writeFile(layout(home).aws.settings, JSON.stringify(emulatorSettings(home, port)));
  const command = [python, "-I", before, ...lastArguments(home, "aws")];
  const old = await table.launch({ name: "aws", command, port, log: join(layout(home).logs, "aws.log") });
  const problem = () => emulatorProblem(home, aws.endpoint);
  while ((await problem()) !== "another program answers at its port") assert.ok(await isAlive(old));
  assert.equal((await services.start({ only: ["aws"] })).aws.endpoint, aws.endpoint);
  assert.equal(await isAlive(old), false);
  assert.equal(await problem(), undefined);
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
    assert.equal(error.name, "PortTakenError");
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

/** Where root may not have user namespaces, Postgres runs as another user; elsewhere there is nothing to try. */
if (process.getuid?.() === 0) {
  test("without user namespaces Postgres runs as another user, who may pass through the folder and read nothing of it", async (t) => {
    const services = await testServices(t);
    await chmod(join(services.home, ".."), 0o711);
    const postgresUser = await choosePostgresUser({ namespaces: false });
    assert.ok(postgresUser.kind === "other");
    const running = await services.start({ postgresUser });
    const { postgres } = await services.pids();
    const owner = /^Uid:\s+(\d+)/m.exec(await readFile(`/proc/${postgres}/status`, "utf8"))?.[1];
    assert.equal(Number(owner), postgresUser.uid);
    assert.equal((await stat(services.home)).mode & 0o777, 0o710);
    assert.equal((await stat(running.postgres.passwordFile)).uid, 0);

    assert.deepEqual(await services.start({ postgresUser }), running);
    await services.kill("postgres");
    await services.start({ postgresUser });
    await (await superuser(running)).end();

    const { postgres: at, tls } = layout(services.home);
    await rm(tls.leaf("postgres"));
    await services.start({ postgresUser });
    assert.equal(
      await readFile(join(at.folder, "server.pem"), "utf8"),
      await readFile(tls.leaf("postgres"), "utf8"),
    );
    await (await superuser(running)).end();

    const asPostgres = (file: string, ...args: string[]) =>
      promisify(execFile)(file, args, { cwd: "/", uid: Number(owner), gid: postgresUser.gid });
    await asPostgres("ls", at.folder);
    await assert.rejects(asPostgres("ls", services.home), /Permission denied/);
    await assert.rejects(asPostgres("cat", running.vault.unsealKeysFile), /Permission denied/);
  });
}

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
    servers.map(async (pid) =>
      (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).includes("vault\0server"),
    ),
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
