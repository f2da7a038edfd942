import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Model, Secret } from "../../../model/model.ts";
import { rotate } from "../../../operations/rotation/engine.ts";
import type { Reason } from "../../../operations/rotation/rotator.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { type Crashes, killEverywhere } from "./crash.ts";
import postgresScenario, { type PostgresData } from "./postgres-scenario.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";

let server: DatabaseServer;
const ends: (() => Promise<void>)[] = [];
const isWhole = process.env.KEYPLANE_SCALE === "prove";
/** Every password of this file, to be looked for in the log at its end. */
const passwords = new Set<string>();

before(async () => {
  server = await startDatabaseServer({ after: (end) => ends.push(end) });
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

let users = 0;

/** What a test needs of one secret: what Vault holds of it, and which of that logs in. */
class Case {
  readonly secret: Secret;
  readonly data: PostgresData;

  constructor(like: Secret) {
    const secret = server.like(like, `crash_${++users}`);
    this.secret = { ...secret, rotate: { ...secret.rotate, overlap: 0 } };
    const model: Model = { ...server.model, rotation: { ...server.model.rotation, watch: 0 } };
    const { address, ca } = server.services.vault;
    this.data = { vault: { address, ca, token: server.rotator.token ?? "" }, model, secret: this.secret };
  }

  async rotate(reason: Reason): Promise<void> {
    const { subject, close } = await postgresScenario.open(this.data, (_, call) => call());
    const options = { by: "keyplane.rotate", wait: true, report: () => {} };
    const { state } = await rotate({ ...subject, ...options, reason });
    await close();
    assert.equal(state, "done");
  }

  async at(path: string): Promise<Fields | undefined> {
    const read = await server.root.read<{ data: Fields | null }>(`kv/data/${path}`);
    const fields = read?.data ?? undefined;
    if (fields?.password !== undefined) passwords.add(fields.password);
    return fields;
  }

  async source(): Promise<Fields> {
    return (await this.at(this.secret.source)) ?? {};
  }

  /** What each consumer was given. */
  async delivered(): Promise<Fields[]> {
    const found = await Promise.all(this.secret.consumers.map(({ path }) => this.at(path)));
    return found
      .filter((fields) => fields !== undefined)
      .map((fields) => (fields.url ? inUrl(fields.url) : fields));
  }

  refusal(fields: Fields): Promise<string | undefined> {
    return server.refusal(this.secret, { ...fields, user: fields.user ?? this.login });
  }

  /** Variables of a single user's consumers name the password alone. */
  get login(): string {
    return this.secret.databaseUser?.logins[0] ?? "";
  }
}

function inUrl(url: string): Fields {
  const { username, password } = new URL(url);
  return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
}

/** Crashes of a rotation of users of their own; at its end exactly the current value logs in. */
function crashesOf(
  like: Secret,
  reason: Reason,
  held: (one: Case, at: string) => Promise<void>,
): Crashes<PostgresData> {
  const cases = new Map<string, Case>();
  const olds = new Map<string, Fields>();
  const caseOf = ({ secret }: PostgresData): Case => {
    const one = cases.get(secret.id);
    if (one === undefined) throw new Error("no such case");
    return one;
  };
  return {
    scenario: import.meta.resolve("./postgres-scenario.ts"),
    reason,
    async prepare() {
      const one = new Case(like);
      cases.set(one.secret.id, one);
      if (reason !== "first") {
        await one.rotate("first");
        olds.set(one.secret.id, await one.source());
      }
      return one.data;
    },
    held: (data, at) => held(caseOf(data), at),
    async converged(data, { state }, at) {
      const one = caseOf(data);
      const { databaseUser } = one.secret;
      assert.equal(state, "done", at);
      const fields = await one.source();
      assert.equal(await one.refusal(fields), undefined, at);
      for (const delivered of await one.delivered()) assert.equal(delivered.password, fields.password, at);
      assert.equal((await one.delivered()).length, one.secret.consumers.length, at);
      const old = olds.get(one.secret.id);
      if (old !== undefined) assert.equal(await one.refusal(old), "28P01", at);
      const open = await server.query<{ rolname: string }>(
        one.secret,
        "select rolname from pg_authid where rolname = any($1) and (rolcanlogin or rolpassword is not null)",
        [databaseUser?.logins],
      );
      assert.deepEqual(open, [{ rolname: fields.user }], `${at}: nothing but the current login is open`);
    },
    values: () => passwords,
    // The rest is the engine's own, which its own test kills at every call.
    only: ({ state, name }) =>
      isWhole || (["stage", "revoke", "verify"].includes(state) && !name.startsWith("vault POST kv")),
  };
}

test("kill -9 anywhere in the rotation of two logins: what a consumer was given logs in at every moment (R31)", async (t) => {
  const crashes = crashesOf(server.secret("titan/ledger-titan-brain"), "scheduled", async (one, at) => {
    for (const fields of await one.delivered()) assert.equal(await one.refusal(fields), undefined, at);
  });
  const { killed } = await killEverywhere(t, crashes);
  assert.ok(killed >= 3, `${killed} killed`);
});

test("kill -9 anywhere in the rotation of a single login: a value that Vault holds logs in at every moment (R32)", async (t) => {
  const crashes = crashesOf(
    server.secret("rec-io/trading-rec_trading_user"),
    "compromise",
    async (one, at) => {
      const candidates = [await one.source(), ...(await one.delivered())];
      const refusals = await Promise.all(candidates.map((fields) => one.refusal(fields)));
      assert.ok(refusals.includes(undefined), `${at}: ${refusals}`);
    },
  );
  const { killed } = await killEverywhere(t, crashes);
  assert.ok(killed >= 3, `${killed} killed`);
});

test("kill -9 anywhere in the making of a first user: nothing is delivered that does not log in", async (t) => {
  const crashes = crashesOf(server.secret("solo/main-solo-app"), "first", async (one, at) => {
    for (const fields of await one.delivered()) assert.equal(await one.refusal(fields), undefined, at);
  });
  const { killed } = await killEverywhere(t, crashes);
  assert.ok(killed >= 1, `${killed} killed`);
});

test("once the leases of killed runners have ended, no login of the engine is left, and no value is in Postgres' log", async () => {
  assert.ok(passwords.size > 8);
  await server.root.write("sys/leases/revoke-prefix/database/creds", { sync: true });
  assert.deepEqual(await server.engineLogins(), []);
  const log = await server.log();
  for (const password of passwords) assert.ok(!log.includes(password));
});
