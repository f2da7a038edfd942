import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { hashSync } from "bcryptjs";
import type { Secret } from "../../model/model.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import { usersIn } from "../../operations/rotation/nats/users-file.ts";
import { secretNamed, setValue } from "../../operations/values/set.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import { TestNats } from "../operations/rotation/nats-server.ts";
import { quick } from "../operations/rotation/quick.ts";
import type { Program } from "./services/compose.ts";
import { deploy, MovedClock } from "./services/deployment.ts";
import { inWords, noneFailed } from "./services/load.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
/** Questions a second, of each of the four services. */
const rate = 80;

const names = ["titan-brain", "titan-execution-rs", "titan-sentinel", "titan-ai-quant"];

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** titan's four services as processes, each on a node of its own, and a real nats-server. */
async function titan(t: { after(end: () => Promise<void>): void }, nats: TestNats) {
  const secret: Secret = { ...secretNamed(bench.model, "titan/nats"), nats: nats.target };
  const nodes = new Map<string, string>();
  const deployment = await deploy(t, {
    vault: await bench.login(),
    model: bench.model,
    secrets: [secret],
    services: bench.model.services,
    hostOf: ({ id }) => id,
    programs: ({ load, rootOf }) =>
      Object.fromEntries(
        names.map((name): [string, Program] => {
          const secrets = join(rootOf({ id: `titan/${name}` }), "secrets");
          nodes.set(name, secrets);
          return [
            name,
            {
              file: fileURLToPath(import.meta.resolve("./titan/nats-service.ts")),
              env: {
                ...{ NAME: name, NATS: nats.target.servers[0] ?? "", RATE: String(rate) },
                TITAN_NATS_USER_FILE: join(secrets, "titan_nats_user"),
                TITAN_NATS_PASSWORD_FILE: join(secrets, "titan_nats_password"),
                ...(name === "titan-execution-rs" && { WATCH: "yes" }),
              },
              envFile: join(secrets, `${name}.env`),
              said: load.hear,
            },
          ];
        }),
      ),
  });
  return { ...deployment, secret, subject: await deployment.subject(secret), nodes };
}

test("titan: four services ask each other over NATS at over 200 questions a second: none fails over rotations and rolling restarts (R33, R34, R35)", async (t) => {
  const first = { user: "titan-nats-first", password: randomBytes(32).toString("base64url") };
  const permissions = '{ publish: ["signals.>", "_INBOX.>"], subscribe: ["signals.>", "_INBOX.>"] }';
  await using nats = await TestNats.start(
    [
      "users = [",
      `  { user: ${first.user}, password: "${hashSync(first.password, 4)}", permissions: ${permissions} }`,
      `  { user: grafana, password: "${hashSync("somebody else's", 4)}", permissions: { publish: [] } }`,
      "]\n",
    ].join("\n"),
  );
  const { subject, secret, model, compose, load, start, source: sourceOf, nodes } = await titan(t, nats);
  const { vault } = subject;
  await setValue({ vault, model, by: "keyplane.rotate" }, secret, first, () => {});
  await start(secret);

  const said: string[] = [];
  const clock = await MovedClock.of(vault);
  const go = () =>
    rotate({
      ...subject,
      ...quick,
      patience: { pickUp: 30_000, probe: 1000, poll: { first: 20, longest: 100 }, again: 200 },
      reason: "scheduled",
      by: "keyplane.rotate",
      report: ({ text }) => said.push(text),
      wait: false,
      clock,
    });
  const source = () => sourceOf(secret);

  const quiet = await load.idle();
  const values = new Set([first.password]);
  for (let count = 1; count <= rotations; count++) {
    const old = await source();
    compose.restarts.length = 0;
    const waits = await go();
    assert.match(waits.waiting ?? "", /^both values are accepted until /);
    // Three are started again, one after another; one reads its files while it runs.
    assert.deepEqual(compose.restarts.toSorted(), ["titan-ai-quant", "titan-brain", "titan-sentinel"]);
    const fresh = await source();
    assert.notEqual(fresh.user, old.user);
    assert.deepEqual(
      usersIn(await nats.users()).map(({ name }) => name),
      [old.user, fresh.user, "grafana"],
    );
    clock.ahead += 3_700_000;
    let end = await go();
    for (
      const patience = Date.now() + 60_000;
      end.state !== "done" && Date.now() < patience;
      end = await go()
    ) {
      assert.match(end.waiting ?? "", /still use\(s\) the old value|is at it/);
      await sleep(200);
    }
    assert.equal(end.state, "done");
    assert.deepEqual(
      usersIn(await nats.users()).map(({ name }) => name),
      [fresh.user, "grafana"],
    );
    values.add(fresh.password ?? "");
    await load.more();
  }
  const fresh = await source();
  const { connections } = (await nats.monitor("connz?auth=1")) as {
    connections: { name: string; authorized_user: string }[];
  };
  assert.deepEqual(
    connections.map(({ name, authorized_user: user }) => [name, user]).toSorted(),
    names.map((name) => [name, fresh.user ?? ""]).toSorted(),
  );
  await compose.end();
  const during = noneFailed(load.take());
  t.diagnostic(inWords(rotations, during, quiet));
  const log = `${said.join("\n")}${await nats.log()}${await nats.users()}`;
  for (const value of values)
    assert.ok(!log.includes(value), "a password stands in a log or in the users file");
  // What lies on the nodes is the last password alone.
  for (const [name, secrets] of nodes) {
    for (const file of await readdir(secrets)) {
      const text = await readFile(join(secrets, file), "utf8");
      for (const value of values)
        assert.ok(value === fresh.password || !text.includes(value), `${name}: ${file}`);
    }
  }
});
