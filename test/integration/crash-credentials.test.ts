import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { VaultError, VaultUnreachableError } from "../../clients/vault.ts";
import type { Report, Step } from "../../local/progress.ts";
import { startServices } from "../../local/services/index.ts";
import { connectAsSuperuser } from "../../local/services/postgres-server.ts";
import { dropOrphans } from "../../operations/database/orphans.ts";
import { killService } from "./running-services.ts";
import { startStack, type TestStack } from "./stack.ts";
import {
  asRoot,
  asService,
  composeUser,
  connect,
  type Issued,
  issue,
  issuedUsers,
  query,
  type Running,
  refusal,
} from "./support/credentials.ts";
import { seeded } from "./support/seeded.ts";

const prove = process.env.KEYPLANE_SCALE === "prove";
const kills = prove ? 100 : 6;
let stack: TestStack;
let running: Running;

before(async () => {
  stack = await startStack();
  ({ running } = stack);
});
after(() => stack?.[Symbol.asyncDispose]());

test("`up` drops a user that no lease owns and leaves every other one alone (R12)", async () => {
  const { database, user } = composeUser(running.model);
  const service = await asService(running, user.service);
  const kept = [
    await issue(service, running.model, user.role),
    await issue(service, running.model, user.role),
  ];
  await plantOrphan("v-approle-orphaned-KeyplaneTest00000000", user.memberOf);
  const bystander = "v-is-no-user-of-vault-12345";
  await query(running, `create role ${pg.escapeIdentifier(bystander)} login`);
  await stack.up();
  assert.deepEqual(await issuedUsers(running), [...kept.map(({ username }) => username), bystander].sort());
  for (const issued of kept) assert.equal(await refusal(running, database.database, issued), undefined);
  await query(running, `drop role ${pg.escapeIdentifier(bystander)}`);
  await revokeAll();
});

test("users without a lease are found also where another lease's user was dropped by hand (R12)", async () => {
  const { user } = composeUser(running.model);
  const service = await asService(running, user.service);
  const [kept, dropped] = [
    await issue(service, running.model, user.role),
    await issue(service, running.model, user.role),
  ];
  await query(running, `drop role ${pg.escapeIdentifier(dropped.username)}`);
  for (const name of ["first", "second"]) {
    await plantOrphan(`v-approle-${name}-KeyplaneTest00000000`, user.memberOf);
  }
  await clean();
  assert.deepEqual(await issuedUsers(running), [kept.username]);
  await revokeAll();
});

test("a user whose time is up is dropped even where Vault still counts a lease for it (R12)", async () => {
  const { user } = composeUser(running.model);
  const service = await asService(running, user.service);
  const issued = await issue(service, running.model, user.role);
  await query(running, `alter role ${pg.escapeIdentifier(issued.username)} valid until '2020-01-01'`);
  await clean();
  assert.deepEqual(await issuedUsers(running), []);
  await revokeAll();
});

test("Postgres itself refuses credentials whose time is up while Vault is dead; the next `up` drops the user (R12)", async () => {
  const { database, user } = composeUser(running.model);
  const service = await asService(running, user.service);
  const issued = await issue(service, running.model, user.role);
  await service.write("sys/leases/renew", { lease_id: issued.lease, increment: 3 });
  await killService(stack.home, "vault");
  assert.equal(await refusal(running, database.database, issued), undefined, "its time is not up yet");
  // Vault gives Postgres five seconds more than the lease.
  await sleep(9_500);
  assert.equal(await refusal(running, database.database, issued), "28P01");
  await stack.up();
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(200)) {
    if ((await issuedUsers(running)).length === 0) break;
  }
  assert.deepEqual(await issuedUsers(running), []);
});

test(`kill -9 of Vault or Postgres at ${kills} seeded moments of issuing leaves no user without a lease after the next \`up\` (R12)`, async (t) => {
  const { database, user } = composeUser(running.model);
  const random = seeded(20_260_301);
  let issuedInAll = 0;
  for (let crash = 0; crash < kills; crash++) {
    const victim = crash % 2 === 0 ? "vault" : "postgres";
    const service = await asService(running, user.service);
    const issued: Issued[] = [];
    let stopped = false;
    const issuers = Array.from({ length: 6 }, async () => {
      while (!stopped) {
        try {
          issued.push(await issue(service, running.model, user.role));
        } catch (error) {
          if (!(error instanceof VaultUnreachableError || error instanceof VaultError)) throw error;
          if (error instanceof VaultUnreachableError) return;
          await sleep(5);
        }
      }
    });
    await sleep(20 + random() * 180);
    await killService(stack.home, victim);
    stopped = true;
    await Promise.all(issuers);
    issuedInAll += issued.length;

    const dropped: string[] = [];
    const report = ({ text }: Step) => void (/which no lease owns/.test(text) && dropped.push(text));
    // Once a whole `up` for each victim, and what it does for database users alone after that.
    if (prove || crash < 2) await stack.up({ report });
    else {
      await startServices(stack.home, { report: () => {} });
      await clean(report);
    }
    const seen = `crash ${crash} (${victim}): ${issued.length} issued, ${dropped.length} without a lease dropped`;
    t.diagnostic(seen);
    // What was handed out still works: the crash took nothing from a service.
    for (const credentials of issued.slice(-2)) {
      await (await connect(running, database.database, credentials)).end();
    }
    // Ending every lease ends every user: one that is left over belonged to none.
    await revokeAll();
    assert.deepEqual(await issuedUsers(running), [], seen);
  }
  assert.ok(issuedInAll > kills, `only ${issuedInAll} credentials were issued`);
});

/** What `up` does of database users once everything runs. */
async function clean(report: Report = () => {}): Promise<void> {
  const { vault, end } = await stack.as("rotate");
  const { model, services } = running;
  await dropOrphans({
    vault,
    model,
    connect: ({ database }) =>
      connectAsSuperuser({
        home: services.home,
        port: services.postgres.port,
        ca: services.issuer.ca,
        database,
      }),
    report,
  });
  await end();
}

/** A user as Vault makes them, at this second. */
async function plantOrphan(name: string, group: string): Promise<void> {
  const full = pg.escapeIdentifier(`${name}-${Math.floor(Date.now() / 1000)}`);
  await query(
    running,
    `create role ${full} login valid until '2100-01-01' in role ${pg.escapeIdentifier(group)}`,
  );
}

async function revokeAll(): Promise<void> {
  const { root, end } = await asRoot(running);
  const { mounts } = running.model.vault;
  await root.write(`sys/leases/revoke-prefix/${mounts.database}/creds`, { sync: true });
  await end();
}
