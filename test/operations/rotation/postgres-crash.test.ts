import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Secret } from "../../../model/model.ts";
import type { Reason } from "../../../operations/rotation/rotator.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { type Crashes, killEverywhere } from "./crash.ts";
import { DatabaseUserCase } from "./postgres-case.ts";
import type { PostgresData } from "./postgres-scenario.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";

let server: DatabaseServer;
const shared = endedWithFile();
const isWhole = process.env.KEYPLANE_SCALE === "prove";
/** Every password of this file, to be looked for in the log at its end. */
const passwords = new Set<string>();

before(async () => {
  server = await startDatabaseServer(shared);
});

/** Crashes of a rotation of users of their own; at its end exactly the current value logs in. */
function crashesOf(
  like: Secret,
  reason: Reason,
  held: (one: DatabaseUserCase, at: string) => Promise<void>,
  how: Pick<Crashes<PostgresData>, "rollsBack" | "isTakenBack" | "perState"> = {},
): Crashes<PostgresData> {
  const cases = new Map<string, DatabaseUserCase>();
  const olds = new Map<string, Fields>();
  const caseOf = ({ secret }: PostgresData): DatabaseUserCase => {
    const one = cases.get(secret.id);
    if (one === undefined) throw new Error("no such case");
    return one;
  };
  return {
    scenario: import.meta.resolve("./postgres-scenario.ts"),
    reason,
    ...how,
    async prepare() {
      const one = new DatabaseUserCase(server, like, passwords);
      cases.set(one.secret.id, one);
      if (reason !== "first") {
        olds.set(one.secret.id, await one.first());
      }
      return one.data;
    },
    held: (data, at) => held(caseOf(data), at),
    async converged(data, { state }, at) {
      const one = caseOf(data);
      const { databaseUser } = one.secret;
      const fields = await one.source();
      assert.equal(await one.refusal(fields), undefined, at);
      for (const delivered of await one.delivered()) assert.equal(delivered.password, fields.password, at);
      assert.equal((await one.delivered()).length, one.secret.consumers.length, at);
      const old = olds.get(one.secret.id);
      if (state === "rolled-back") assert.deepEqual(fields, old, at);
      else if (old !== undefined) assert.equal(await one.refusal(old), "28P01", at);
      const open = await server.query<{ rolname: string }>(
        one.secret,
        "select rolname from pg_authid where rolname = any($1) and (rolcanlogin or rolpassword is not null)",
        [databaseUser?.logins],
      );
      assert.deepEqual(open, [{ rolname: fields.user }], `${at}: nothing but the current login is open`);
    },
    values: () => passwords,
    // The rest is the engine's own, which its own test kills at every call.
    only: ({ state, name }) => {
      if (how.isTakenBack) return isWhole ? beforeReturn.includes(state) : state === "stage";
      const states = ["stage", "revoke", "verify", "rolling-back"];
      return isWhole || (states.includes(state) && !name.startsWith("vault POST kv"));
    },
  };
}

/** Where the way back is still open. */
const beforeReturn = ["generate", "stage", "deliver-listeners", "deliver-signers"];

/** What a consumer was given logs in. */
async function everyDelivered(one: DatabaseUserCase, at: string): Promise<void> {
  for (const fields of await one.delivered()) assert.equal(await one.refusal(fields), undefined, at);
}

/** A value that Vault holds logs in: a single login has one at a time. */
async function someKept(one: DatabaseUserCase, at: string): Promise<void> {
  const candidates = [...(await one.versions()), ...(await one.delivered())];
  const refusals = await Promise.all(candidates.map((fields) => one.refusal(fields)));
  assert.ok(refusals.includes(undefined), `${at}: ${refusals}`);
}

for (const [what, id, reason, held] of [
  [
    "two logins: what a consumer was given logs in at every moment (R31)",
    "titan/ledger-titan-brain",
    "scheduled",
    everyDelivered,
  ],
  [
    "a single login: a value that Vault holds logs in at every moment (R32)",
    "rec-io/trading-rec_trading_user",
    "compromise",
    someKept,
  ],
] as const) {
  test(`kill -9 anywhere in the rotation of ${what}`, async (t) => {
    await killEverywhere(t, crashesOf(server.secret(id), reason, held));
  });

  test(`kill -9 anywhere in rolling back the rotation of ${what}`, async (t) => {
    const how = { rollsBack: "aborted", perState: 2 } as const;
    await killEverywhere(t, crashesOf(server.secret(id), "scheduled", held, how));
  });

  test(`kill -9 anywhere in the rotation of ${what}; another runner takes it back`, async (t) => {
    const how = { isTakenBack: true };
    await killEverywhere(t, crashesOf(server.secret(id), "scheduled", held, how));
  });
}

test("kill -9 anywhere in the making of a first user: nothing is delivered that does not log in", async (t) => {
  const crashes = crashesOf(server.secret("solo/main-solo-app"), "first", everyDelivered);
  await killEverywhere(t, crashes);
});

test("once the leases of killed runners have ended, no login of the engine is left, and no value is in Postgres' log", async () => {
  assert.ok(passwords.size > 8);
  await server.root.write("sys/leases/revoke-prefix/database/creds", { sync: true });
  assert.deepEqual(await server.engineLogins(), []);
  const log = await server.log();
  for (const password of passwords) assert.ok(!log.includes(password));
});
