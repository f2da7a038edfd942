import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { RequestOptions, Vault } from "../../../clients/vault.ts";
import type { Model } from "../../../model/model.ts";
import type { Step } from "../../../operations/progress.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import { makeFirstUsers } from "../../../operations/rotation/first-users.ts";
import { ensureFirstValues } from "../../../operations/values/first.ts";
import { setValue } from "../../../operations/values/set.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import { DatabaseUserCase } from "./postgres-case.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";

let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

const passwords = new Set<string>();
const userLike = (id: string) => new DatabaseUserCase(server, server.secret(id), passwords);

/** A client of Vault that does nothing any more before or after one of its requests, like a process that is killed. */
class Mortal {
  readonly vault: Vault;
  isDead = false;

  constructor(vault: Vault, at: number, when: "before" | "after") {
    let count = 0;
    this.vault = vault.with(vault.token);
    this.vault.request = async <T>(method: string, path: string, options?: RequestOptions) => {
      count++;
      if (count === at && when === "before") this.isDead = true;
      if (this.isDead) throw new Error("killed");
      const mine = count;
      const end = await vault.request<T>(method, path, options).then(
        (answer) => ({ answer }),
        (error: unknown) => ({ error }),
      );
      if (mine === at) this.isDead = true;
      if (this.isDead) throw new Error("killed");
      if ("error" in end) throw end.error;
      return end.answer;
    };
  }
}

/** What `up` does for these users. */
async function filled(users: DatabaseUserCase[], vault: Vault = server.rotator) {
  const model: Model = { ...server.model, secrets: users.map(({ secret }) => secret) };
  const steps: Step[] = [];
  const report = (step: Step) => void steps.push(step);
  const values = await ensureFirstValues(vault, model, report);
  const reach = { ...databaseReach({ vault, model }), fetch };
  const who = { by: "keyplane.rotate", owner: "up of this machine" };
  const made = await makeFirstUsers({ vault, model, reach, report, ...who }, values.withUser);
  return { values, made, steps };
}

test("every static user gets a first password that its consumers hold, and a second run finds nothing to do", async () => {
  const users = ["titan/ledger-titan-brain", "solo/main-solo-app", "rec-io/trading-rec_trading_user"].map(
    userLike,
  );
  const { made } = await filled(users);
  assert.deepEqual(made.toSorted(), users.map(({ secret }) => secret.id).toSorted());
  for (const user of users) {
    const delivered = await user.delivered();
    assert.equal(delivered.length, user.secret.consumers.length);
    for (const fields of delivered) assert.equal(await user.refusal(fields), undefined);
  }
  const again = await filled(users);
  assert.deepEqual(again.values, { made: [], delivered: [], unset: [], withUser: [] });
  assert.deepEqual(again.steps, []);
});

test("killed before or after any request, it is completed by the next run at once, with one password", async () => {
  // A prime number of points in the hundred or so requests; in proving all of them.
  const every = process.env.KEYPLANE_SCALE === "prove" ? 1 : 7;
  let killed = 0;
  for (let at = 1; ; at += every) {
    for (const when of ["before", "after"] as const) {
      const user = userLike("titan/ledger-titan-brain");
      const mortal = new Mortal(server.rotator, at, when);
      await filled([user], mortal.vault).catch(() => {});
      if (!mortal.isDead) return assert.ok(killed > 6, `${killed} killed`);
      killed++;
      const began = Date.now();
      await filled([user]);
      assert.ok(Date.now() - began < 30_000, "it did not wait for the lease of the killed one");
      const [delivered] = await user.delivered();
      assert.ok(delivered, `killed ${when} request ${at}`);
      assert.equal(await user.refusal(delivered), undefined, `killed ${when} request ${at}`);
      assert.deepEqual((await filled([user])).steps, []);
      const versions = await server.root.read<{ current_version: number }>(
        `kv/metadata/${user.secret.source}`,
      );
      assert.equal(versions?.current_version, 1);
    }
  }
});

test("one that cannot be made is told with what to do, the others are made; once it can be, it is", async () => {
  const [taken, other] = [userLike("titan/ledger-titan-brain"), userLike("solo/main-solo-app")] as const;
  const [login = ""] = taken.secret.databaseUser?.logins ?? [];
  await server.query(taken.secret, `create role ${login} login`);
  const { made, steps } = await filled([taken, other]);
  assert.deepEqual(made, [other.secret.id]);
  assert.deepEqual(await taken.delivered(), []);
  const [failed] = steps.filter(({ state, text }) => state === "failed" && text.includes("GRANT"));
  assert.equal(failed?.subject, taken.secret.id);
  assert.match(failed?.text ?? "", /was made by someone else: give the user another name in the catalogue/);
  await server.query(taken.secret, `drop role ${login}`);
  assert.deepEqual((await filled([taken, other])).made, [taken.secret.id]);
  const [delivered] = await taken.delivered();
  assert.equal(await taken.refusal(delivered ?? {}), undefined);
});

test("one that was there before is adopted: `up` says how, `set` takes its present password, and the next rotation replaces it (R32)", async () => {
  const user = userLike("rec-io/trading-rec_trading_user");
  const { secret } = user;
  const login = secret.databaseUser?.user ?? "";
  await server.query(secret, `create role "${login}" login password 'veteran' in role rec_trading`);
  const rotation = "keyplane_rec_io__trading__rotation";
  await server.query(secret, `grant "${login}" to "${rotation}" with admin true, inherit true, set false`);
  const { made, steps } = await filled([user]);
  assert.deepEqual(made, []);
  const advice = `with \`keyplane set ${secret.id}\`, then \`keyplane rotate ${secret.id}\``;
  assert.ok(
    steps.some(({ state, text }) => state === "failed" && text.includes(advice)),
    JSON.stringify(steps),
  );
  const present = { user: login, password: "veteran" };
  assert.equal(await user.refusal(present), undefined, "nobody was shut out");
  await setValue({ vault: server.rotator, model: server.model, by: "cleo" }, secret, present, () => {});
  for (const fields of await user.delivered()) assert.equal(await user.refusal(fields), undefined);
  assert.deepEqual((await filled([user])).steps, []);
  assert.equal((await user.rotate("scheduled")).state, "done");
  const delivered = await user.delivered();
  assert.equal(delivered.length, secret.consumers.length);
  for (const fields of delivered) assert.equal(await user.refusal(fields), undefined);
  assert.notEqual(await user.refusal(present), undefined);
});
