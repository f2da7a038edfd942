import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Consumer, Secret, Service } from "../../model/model.ts";
import { type Clock, vaultClock } from "../../operations/rotation/clock.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import type { Outcome } from "../../operations/rotation/outcome.ts";
import { secretNamed, setValue } from "../../operations/values/set.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import { IamServer } from "../operations/rotation/iam-server.ts";
import type { Program } from "./services/compose.ts";
import { deploy } from "./services/deployment.ts";
import { inWords, noneFailed } from "./services/load.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
/** Calls a second, of each of the two. */
const rate = 170;
const names = ["api", "worker"];
const files = { STORE_USER_FILE: "store_user", STORE_PASSWORD_FILE: "store_password" };

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** solo's api, which watches its files, and a worker, which starts again: clients that sign what they ask the store. */
async function solo(t: { after(end: () => Promise<void>): void }, iam: IamServer) {
  const services = names.map(
    (name): Service => ({
      ...{ id: `solo/${name}`, system: "solo", name, runsOn: "compose", settles: 0, policy: `solo.${name}` },
      reload: name === "api" ? "watch" : "restart",
      deliver: [{ to: "files", folder: "/secrets" }],
    }),
  );
  const consumers = names.map(
    (name): Consumer => ({
      ...{ id: `solo/${name}`, kind: "service", name, role: "reader", path: `services/solo/${name}/minio` },
      as: { STORE_USER_FILE: "user", STORE_PASSWORD_FILE: "password" },
      files,
    }),
  );
  const credential = "titan/binance";
  const provider = {
    name: "aws",
    api: true,
    address: iam.address,
    credential,
    rate: { requests: 1000, per: 1 },
  };
  const declared = secretNamed(bench.model, "solo/minio");
  const overlap = { by: "machine", overlap: 3600, onCompromise: true } as const;
  const secret: Secret = { ...declared, consumers, provider, rotate: overlap, idle: { source: "provider" } };
  const deployment = await deploy(t, {
    vault: await bench.login(),
    model: bench.model,
    secrets: [secret, secretNamed(bench.model, credential)],
    services,
    hostOf: ({ id }) => id,
    programs: ({ load, rootOf }) =>
      Object.fromEntries(
        services.map(({ id, name }): [string, Program] => [
          name,
          {
            file: fileURLToPath(import.meta.resolve("./solo/store-client.ts")),
            env: {
              ...{ STORE: `${iam.address}/`, RATE: String(rate) },
              ...(name === "api" && { WATCH: "yes" }),
              STORE_USER_FILE: join(rootOf({ id }), "secrets", files.STORE_USER_FILE),
              STORE_PASSWORD_FILE: join(rootOf({ id }), "secrets", files.STORE_PASSWORD_FILE),
            },
            envFile: "none",
            said: load.hear,
          },
        ]),
      ),
  });
  return { ...deployment, secret, subject: await deployment.subject(secret) };
}

test("solo's access key rotates at IAM, whose keys carry no labels, under over 200 signed calls a second: none fails (R27)", async (t) => {
  await using iam = await IamServer.start();
  const [admin, first] = [iam.issue("keyplane"), iam.issue("solo")];
  const { subject, secret, model, compose, load, start } = await solo(t, iam);
  const { vault } = subject;
  const set = (of: string, value: Record<string, string>) =>
    setValue({ vault, model, by: "keyplane.rotate" }, secretNamed(model, of), value, () => {});
  await set("titan/binance", { key: admin.id, secret: admin.secret });
  await set(secret.id, { user: first.id, password: first.secret });
  await start(secret);
  const said: string[] = [];
  const real = await vaultClock(vault);
  const clock: Clock = { ...real, now: () => new Date(real.now().getTime() + iam.ahead) };
  const goUntil = async (state: (outcome: Outcome) => boolean) => {
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(100)) {
      const outcome = await rotate({
        ...subject,
        backoff: { first: 20, longest: 2000, tries: 5 },
        patience: { pickUp: 30_000, probe: 1000, poll: { first: 20, longest: 100 }, again: 200 },
        ...{ reason: "scheduled", by: "keyplane.rotate", wait: false, clock },
        report: ({ text }) => said.push(text),
      });
      if (state(outcome)) return;
      assert.equal(outcome.failure, undefined);
    }
    assert.fail(`did not come to it within a minute: ${said.slice(-5).join("; ")}`);
  };
  const own = () => iam.keys.filter(({ user }) => user === "solo");
  const quiet = await load.idle();
  const values = new Set([first.secret]);
  for (let count = 1; count <= rotations; count++) {
    const [old] = own();
    compose.restarts.length = 0;
    // Each answer is lost once, after IAM has acted.
    const lost = new Set(["CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"]);
    iam.fault = (action) => (count === 1 && lost.delete(action) ? "lost" : undefined);
    await goUntil(({ waiting = "" }) => waiting.startsWith("both values are accepted until"));
    assert.deepEqual(compose.restarts, ["worker"]);
    assert.equal(own().length, 2);
    // The overlap, and as long as IAM may take to tell of the last use.
    iam.ahead += 3_700_000;
    await goUntil(({ state }) => state === "done");
    assert.deepEqual([own().length, own()[0] === old], [1, false]);
    values.add(own()[0]?.secret ?? "");
    await load.more();
  }
  await compose.end();
  const during = noneFailed(load.take());
  for (const value of values) assert.ok(!said.join("\n").includes(value), "a key stands in the progress");
  t.diagnostic(inWords(rotations, during, quiet));
});
