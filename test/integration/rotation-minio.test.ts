import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { AwsClient } from "aws4fetch";
import { findTool } from "../../local/toolchain/index.ts";
import { rotate } from "../../operations/rotation/engine.ts";
import type { Subject } from "../../operations/rotation/run.ts";
import { secretNamed } from "../../operations/values/set.ts";
import type { Fields } from "../../operations/values/shape.ts";
import { freePort } from "../free-port.ts";
import { openBench, type RotationBench } from "../operations/rotation/bench.ts";
import { deploy } from "./services/deployment.ts";
import { inWords, noneFailed } from "./services/load.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
/** Requests a second while the store is there: it is started again in each rotation. */
const rate = 300;

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

/** solo's object store, a real MinIO, and its api, each with the env-file that the catalogue declares. */
async function solo(t: { after(end: () => Promise<void>): void }) {
  const minio = await findTool("minio", () => {});
  const port = await freePort();
  const bucket = `http://127.0.0.1:${port}/documents`;
  const secret = secretNamed(bench.model, "solo/minio");
  const services = bench.model.services.map((service) =>
    // It watches its file, so that it need not be away as long as the store is.
    service.id === "solo/api" ? { ...service, reload: "watch" as const } : service,
  );
  const fileOf = (name: string) => {
    const [delivery] = services.find(({ id }) => id === `solo/${name}`)?.deliver ?? [];
    assert.ok(delivery?.to === "env-file");
    return delivery.path;
  };
  const deployment = await deploy(t, {
    vault: await bench.login(),
    model: bench.model,
    secrets: [secret],
    services,
    programs({ load, rootOf }) {
      const [store, api] = ["minio", "api"].map((name) => join(rootOf({ id: `solo/${name}` }), fileOf(name)));
      return {
        minio: {
          file: fileURLToPath(import.meta.resolve("./solo/minio.ts")),
          envFile: store ?? "",
          env: { MINIO: minio, PORT: String(port), FOLDER: join(rootOf({ id: "solo/minio" }), "objects") },
        },
        api: {
          file: fileURLToPath(import.meta.resolve("./solo/object-client.ts")),
          envFile: api ?? "",
          env: { BUCKET: bucket, ENV_FILE: api ?? "", RATE: String(rate) },
          said: load.hear,
        },
      };
    },
  });
  return { ...deployment, secret, bucket, subject: await deployment.subject(secret) };
}

/** What the store answers a request that a root user signs. */
async function answerTo(
  { user = "", password = "" }: Fields,
  url: string,
  init: RequestInit = {},
): Promise<number> {
  const client = new AwsClient({
    accessKeyId: user,
    secretAccessKey: password,
    service: "s3",
    region: "us-east-1",
    retries: 0,
  });
  const { status } = await client.fetch(url, init);
  return status;
}

test("solo's root user of MinIO rotates on compromise: the store starts with the new one first, whoever is refused reads it again, and no request of over 200 a second fails (R20, R27)", async (t) => {
  const { subject, secret, compose, load, start, source, bucket } = await solo(t);
  const said: string[] = [];
  const go = (given: Partial<Subject> & { reason: "first" | "compromise" }) =>
    rotate({
      ...{ ...subject, ...given },
      by: "keyplane.rotate",
      report: ({ text }) => said.push(text),
      wait: false,
    });
  assert.equal((await go({ reason: "first", sinks: () => [] })).state, "done");
  const values = new Set<string>();
  await start(secret);
  const quiet = await load.idle();
  for (let count = 1; count <= rotations; count++) {
    // Each finds the api at work: in one that follows at once nobody would have been let in between.
    await load.more();
    const old = await source(secret);
    compose.restarts.length = 0;
    const { state, waiting } = await go({ reason: "compromise" });
    assert.deepEqual([state, waiting], ["done", undefined]);
    assert.deepEqual(compose.restarts, ["minio"]);
    const now = await source(secret);
    assert.deepEqual([await answerTo(old, bucket), await answerTo(now, bucket)], [403, 200]);
    values.add(old.password ?? "").add(now.password ?? "");
  }
  await compose.end();
  const during = noneFailed(load.take());
  for (const value of values)
    assert.ok(!said.join("\n").includes(value), "a password stands in the progress");
  t.diagnostic(inWords(rotations, during, quiet));
});
