import assert from "node:assert/strict";
import { before, test } from "node:test";
import { type Vault, VaultError, VaultUnreachableError } from "../../../clients/vault.ts";
import { vaultClock } from "../../../operations/rotation/clock.ts";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import type { Call, CrashPoint } from "./counted.ts";
import { killAll, pointsOf, startRunner } from "./crash.ts";
import { Documents } from "./documents.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import type { KeyRun } from "./transit-runner.ts";

// What goes wrong while an encryption key rotates; what it does when nothing goes wrong is in transit.test.ts.

const day = 86_400;
const isWhole = process.env.KEYPLANE_SCALE === "prove";
let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

const made = (given?: { rows?: number; retain?: number }) => Documents.make(server, given);

/** A runner in a process of its own, after a compromise. */
function runner({ key }: Documents, at?: CrashPoint) {
  const { vault, issuer } = server.services;
  const { address, ca } = vault;
  const input: KeyRun = {
    vault: { address, ca, token: server.rotator.token ?? "" },
    ...{ model: server.model, key, ca: issuer.ca },
    ...(at !== undefined && { at }),
  };
  return startRunner(input, import.meta.resolve("./transit-runner.ts")).ended;
}

for (const [what, isHastened] of [
  [
    "kill -9 before and after every call: every document opens at every moment, another runner ends it",
    false,
  ],
  ["kill -9 after a compromise hastened it: another runner makes the version that follows as well", true],
] as const) {
  test(`${what} (R23, R24)`, async (t) => {
    const texts = Array.from({ length: 12 }, (_, index) => `document ${index}`);
    const prepared = async () => {
      const documents = await made();
      await documents.write(texts);
      if (isHastened) assert.equal((await documents.rotate({ anew: true })).state, "drain");
      return documents;
    };
    const { code, stdout, stderr } = await runner(await prepared());
    assert.equal(code, 0, stderr);
    const { calls } = JSON.parse(stdout) as { calls: Call[] };
    await killAll(t, { calls, points: pointsOf(calls) }, async (point, at) => {
      const documents = await prepared();
      const { latest: before } = await documents.versions();
      const died = await runner(documents, point);
      assert.deepEqual(await documents.texts(), texts, at);
      assert.doesNotMatch(`${died.stdout}${died.stderr}`, /document \d/, at);
      // The dead runner's lease runs out.
      documents.ahead = 120;
      let end = await documents.rotate();
      // Killed before the journal knew of the compromise: whoever told of it tells again.
      const isUnheard = (await documents.versions()).decrypts <= before;
      if (isUnheard) end = await documents.rotate({ reason: "compromise" });
      // Killed after all of it, what is left is to keep the old one until it may go.
      const isDone = end.state === "done" || /are refused, and kept until/.test(end.waiting ?? "");
      assert.ok(isDone, `${at}: ${end.state}, ${end.waiting}`);
      const { latest, decrypts, available } = await documents.versions();
      assert.deepEqual([latest, decrypts, available], [before + 1, before + 1, 1], at);
      assert.deepEqual(await documents.texts(), texts, at);
      return died.signal === "SIGKILL";
    });
  });
}

/** The rotator's client; once it has had Vault make a version, something happens before it hears of it. */
function onceRotated(happens: () => Promise<unknown>): Vault {
  const vault = server.rotator.with(server.rotator.token);
  let isOver = false;
  const request: Vault["request"] = async (method, path, options) => {
    const answer = await server.rotator.request<never>(method, path, options);
    if (isOver || !path.endsWith("/rotate")) return answer;
    isOver = true;
    await happens();
    return answer;
  };
  vault.request = request;
  return vault;
}

test("two runners at once make one version", async () => {
  const documents = await made({ rows: 200 });
  const outcomes = await Promise.allSettled(
    ["one", "two", "three"].map((owner) => documents.rotate({ owner, anew: true })),
  );
  assert.ok(outcomes.some(({ status }) => status === "fulfilled"));
  const { latest } = await documents.versions();
  assert.equal(latest, 2);
  assert.equal((await documents.texts()).length, 200);
});

test("a compromise told as another runner begins hastens the version that one makes, and another one follows (R21)", async () => {
  const documents = await made({ rows: 20 });
  const vault = server.rotator.with(server.rotator.token);
  let isOver = false;
  vault.request = async (method, path, options) => {
    if (!isOver && method === "POST" && path.endsWith(`/data/${documents.key.journal}`)) {
      isOver = true;
      assert.equal((await documents.rotate({ owner: "the first", anew: true })).state, "drain");
    }
    return server.rotator.request<never>(method, path, options);
  };
  await documents.rotate({ vault, reason: "compromise", owner: "the second" });
  const { reason, history } = await documents.journal();
  assert.deepEqual([reason, history.map((past) => past.reason)], ["compromise", ["compromise"]]);
  const { latest, decrypts } = await documents.versions();
  assert.deepEqual([latest, decrypts], [3, 3]);
  assert.equal((await documents.texts()).length, 20);
});

test("a database that is away leaves the key where it is, in words; back again, every document is rewrapped", async () => {
  const documents = await made({ rows: 20 });
  const vault = onceRotated(() => server.test.kill("postgres"));
  const waits = await documents.rotate({ vault, anew: true });
  assert.deepEqual([waits.state, waits.to], ["migrate", 2]);
  assert.match(waits.waiting ?? "", /the database does not answer|is not there for now/);
  assert.equal(waits.waitsFor, "target");
  await server.test.start();
  const { state, to } = await documents.rotate();
  assert.deepEqual([state, to], ["drain", 2]);
  assert.deepEqual(await documents.prefixes(), ["vault:v2"]);
  assert.equal((await documents.texts()).length, 20);
});

test("Vault sealed in the middle stops a key's rotation with words; unsealed, the next run ends it with one version", async () => {
  const documents = await made({ rows: 20 });
  const vault = onceRotated(() => server.root.request("PUT", "sys/seal"));
  await assert.rejects(
    documents.rotate({ vault, anew: true }),
    (error) => error instanceof VaultError && error.status === 503 && /sealed/.test(error.message),
  );
  // The local stack unseals what it finds sealed.
  await server.test.start();
  documents.ahead += 120;
  const { state, to } = await documents.rotate();
  assert.deepEqual([state, to], ["drain", 2]);
  assert.equal((await documents.versions()).latest, 2);
  assert.equal((await documents.texts()).length, 20);
});

test("a reply of Vault that is lost after it acted, to any request: the next run goes on, and one version is made", async () => {
  const documents = await made({ rows: 5 });
  /** The same client; what it asked for, and one of its answers is lost. */
  const losing = (at = -1) => {
    const vault = server.rotator.with(server.rotator.token);
    const asked: string[] = [];
    const request: Vault["request"] = async (method, path, options) => {
      const answer = await server.rotator.request<never>(method, path, options);
      if (asked.push(`${method} ${path}`) - 1 === at) throw new VaultUnreachableError("the reply was lost");
      return answer;
    };
    vault.request = request;
    return { vault, asked };
  };
  // The first one has no journal to read.
  assert.equal((await documents.rotate({ reason: "compromise", destroysOld: true })).state, "done");
  const { vault, asked } = losing();
  assert.equal((await documents.rotate({ vault, reason: "compromise", destroysOld: true })).state, "done");
  // Each in `npm run prove`, the first of each kind that acts in `npm test`.
  const isFirst = (one: string, at: number) => one.startsWith("POST") && asked.indexOf(one) === at;
  const places = asked.flatMap((one, at) => (isWhole || isFirst(one, at) ? [at] : []));
  assert.ok(places.length >= 6, asked.join("\n"));
  for (const at of places) {
    const where = `the reply to ${at}, ${asked[at]}`;
    const { latest } = await documents.versions();
    await documents
      .rotate({ vault: losing(at).vault, reason: "compromise", destroysOld: true })
      .catch((error: unknown) => assert.ok(error instanceof VaultUnreachableError, `${where}: ${error}`));
    documents.ahead += 120;
    let end = await documents.rotate();
    // Lost before the journal knew of the compromise: whoever told of it tells again.
    if ((await documents.versions()).latest === latest)
      end = await documents.rotate({ reason: "compromise", destroysOld: true });
    assert.equal(end.state, "done", `${where}: ${end.waiting}`);
    assert.equal((await documents.versions()).latest, latest + 1, where);
    assert.equal((await documents.texts()).length, 5, where);
  }
});

for (const skew of [-5, 5]) {
  test(`a runner whose clock is ${skew} min off keeps old versions for 30 d of Vault's time, and takes nobody's lease`, async () => {
    const documents = await made({ rows: 1 });
    const clock = await vaultClock(server.rotator, () => Date.now() + skew * 60_000);
    const waits = await documents.rotate({ clock, anew: true });
    const { switchedAt, leaseUntil } = await documents.journal();
    assert.equal(Date.parse(waits.notBefore ?? "") - Date.parse(switchedAt ?? ""), 30 * day * 1000);
    assert.ok(Math.abs(Date.parse(leaseUntil) - Date.now()) < 60_000, `${leaseUntil} is not Vault's time`);
  });
}
