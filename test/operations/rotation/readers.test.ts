import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Consumer, Secret } from "../../../model/model.ts";
import { auditIdle } from "../../../operations/rotation/readers.ts";
import type { Idleness } from "../../../operations/rotation/rotator.ts";
import { openBench, type RotationBench } from "./bench.ts";

let bench: RotationBench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

let count = 0;
const later = { now: () => new Date(Date.now() + 3_700_000) };

/** titan's HMAC key on paths of its own: a host of its own reads each. */
function secretOf(kind: Consumer["kind"] = "service", consumers = 2): Secret {
  const found = bench.model.secrets.find(({ id }) => id === "titan/hmac");
  assert.ok(found);
  const own = `readers-${++count}`;
  return {
    ...found,
    consumers: found.consumers
      .slice(0, consumers)
      .map((consumer) => ({ ...consumer, kind, path: `services/${own}/${consumer.name}` })),
  };
}

interface Asked {
  now?: () => Date;
  /** Instead of Vault's own. */
  file?: string;
}

function idle(secret: Secret, { now = () => new Date(), file }: Asked = {}): Promise<Idleness> {
  const never = async () => assert.fail("nothing of it lies in a database");
  const audit = bench.model.vault.audit.map((device) => ({
    ...device,
    options: { file_path: file ?? bench.server.auditFile },
  }));
  return auditIdle({
    vault: bench.vault,
    model: { ...bench.model, vault: { ...bench.model.vault, audit } },
    secret,
    rotation: "one",
    reason: "scheduled",
    reach: { manage: never, login: never, fetch },
    now,
    report: () => {},
    signal: new AbortController().signal,
    uninterrupted: never,
  });
}

async function write({ consumers }: Secret): Promise<void> {
  for (const { path } of consumers) {
    await bench.vault.write(`kv/data/${path}`, { data: { primary: String(++count) } });
  }
}

/** A process that logs in as a consumer's role, with a token of its own. */
async function process(consumer: Consumer, role = consumer.id.replace("/", ".")) {
  const { root } = bench.server;
  const policy = `reader-${++count}`;
  await root.write(`sys/policies/acl/${policy}`, {
    policy: `path "kv/data/${consumer.path}" { capabilities = ["read"] }`,
  });
  const { auth } = await root.write("auth/token/create", {
    policies: [policy],
    meta: { role },
    no_parent: true,
  });
  const vault = root.with(auth?.client_token);
  return {
    read: () => vault.request("GET", `kv/data/${consumer.path}`),
    renew: () => vault.write("auth/token/renew-self"),
    end: () => vault.write("auth/token/revoke-self"),
  };
}

function of(secret: Secret, index: number): Consumer {
  const consumer = secret.consumers[index];
  assert.ok(consumer);
  return consumer;
}

function whyOf(found: Idleness): string {
  assert.ok(found.state === "unknown", JSON.stringify(found));
  return found.why;
}

test("names who read an older version and has not read the latest (R51)", async () => {
  const secret = secretOf();
  const [one, two] = [await process(of(secret, 0)), await process(of(secret, 1))];
  await write(secret);
  await one.read();
  await two.read();
  assert.deepEqual(await idle(secret), {
    state: "idle",
    evidence: "Vault's audit: 2 readers of the latest versions, 0 of older ones alone",
  });
  await write(secret);
  await one.read();
  const found = await idle(secret);
  assert.ok(found.state === "in use");
  const { id } = of(secret, 1);
  assert.equal(found.by.length, 1);
  assert.match(
    found.by[0] ?? "",
    new RegExp(`^${id} \\(${id.replace("/", ".")} at 127.0.0.1 read it last at 20`),
  );
  await two.read();
  assert.equal((await idle(secret)).state, "idle");
});

test("a consumer that never read the new version proves nothing: what is fed by files is unknown, not idle", async () => {
  const secret = secretOf();
  await write(secret);
  // Whoever delivers reads for others.
  for (const { path } of secret.consumers) await bench.vault.read(`kv/data/${path}`);
  await (await process(of(secret, 0))).read();
  const why = whyOf(await idle(secret));
  assert.match(
    why,
    new RegExp(`^Vault's audit shows no read of the new version by ${of(secret, 1).id} \\(since 20[^)]*\\):`),
  );
  assert.match(why, /name another idle source \(idle: sinks, a metric, or none\)$/);
});

test("somebody else's read of a consumer's path is not the consumer's", async () => {
  const secret = secretOf("service", 1);
  await write(secret);
  await (await process(of(secret, 0), "ada")).read();
  assert.match(whyOf(await idle(secret)), /shows no read of the new version by titan\//);
});

test("of two processes with one role the one that still has the old version is not hidden by the other", async () => {
  const secret = secretOf("service", 1);
  const [updated, old] = [await process(of(secret, 0)), await process(of(secret, 0))];
  await write(secret);
  await updated.read();
  await old.read();
  await write(secret);
  await updated.read();
  const found = await idle(secret);
  assert.ok(found.state === "in use", JSON.stringify(found));
  assert.equal(found.evidence, "Vault's audit: 1 reader of the latest versions, 1 of older ones alone");
  await old.read();
  assert.equal((await idle(secret)).state, "idle");
});

test("a process is gone once its token was revoked or not heard of for as long as it may live; renewing keeps it", async () => {
  const secret = secretOf("service", 1);
  const [updated, ended, silent] = [
    await process(of(secret, 0)),
    await process(of(secret, 0)),
    await process(of(secret, 0)),
  ];
  await write(secret);
  for (const one of [updated, ended, silent]) await one.read();
  await write(secret);
  await updated.read();
  await ended.end();
  const found = await idle(secret);
  assert.equal(
    found.state === "in use" && found.evidence,
    "Vault's audit: 1 reader of the latest versions, 1 of older ones alone, 1 of older ones whose token is dead",
  );
  // An hour without a word: the role's tokens live an hour.
  assert.deepEqual(await idle(secret, later), {
    state: "idle",
    evidence:
      "Vault's audit: 1 reader of the latest versions, 0 of older ones alone, 2 of older ones whose token is dead",
  });
  const last = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await silent.renew();
  const soon = { now: () => new Date(last + 3_600_001) };
  assert.equal((await idle(secret, soon)).state, "in use", "heard of within the hour");
});

test("a CI job's read is over an hour later, and it need not read the new version", async () => {
  const secret = secretOf("ci", 1);
  await write(secret);
  await (await process(of(secret, 0))).read();
  await write(secret);
  assert.equal((await idle(secret)).state, "in use");
  assert.equal((await idle(secret, later)).state, "idle");
});

test("readers in files that were rotated away during the overlap are found, compressed ones too", async (t) => {
  const secret = secretOf("service", 1);
  const [updated, old] = [await process(of(secret, 0)), await process(of(secret, 0))];
  await write(secret);
  await updated.read();
  await old.read();
  await write(secret);
  const before = await linesSoFar();
  await updated.read();
  const after = (await linesSoFar()).slice(before.length);
  const folder = await mkdtemp(join(bench.server.folder, "rotated-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "audit.log");
  await writeFile(file, after.join("\n"));
  // Nothing of before the new version: whoever read the old one cannot be seen.
  assert.match(whyOf(await idle(secret, { file })), /begin at 20.*after the new version was written \(20/);
  for (const [name, content] of [
    ["audit.log.1", before.join("\n")],
    ["audit.log-20261127", before.join("\n")],
    ["audit.log.2026-11-27T10-00-00.000.gz", gzipSync(before.join("\n"))],
  ] as const) {
    const rotated = join(folder, name);
    await writeFile(rotated, content);
    await utimes(rotated, new Date(), new Date(Date.now() - 60_000));
    const found = await idle(secret, { file });
    assert.ok(found.state === "in use", `${name}: ${JSON.stringify(found)}`);
    assert.equal(found.evidence, "Vault's audit: 1 reader of the latest versions, 1 of older ones alone");
    await rm(rotated);
  }
  // A file of like name that is no rotated one.
  await copyFile(bench.server.auditFile, join(folder, "audit.log.bak"));
  assert.match(whyOf(await idle(secret, { file })), /after the new version was written/);
});

test("an audit file that is not here shows nothing", async () => {
  assert.match(
    whyOf(await idle(secretOf(), { file: "/nowhere/audit.log" })),
    /cannot be read here: run the rotation where/,
  );
});

async function linesSoFar(): Promise<string[]> {
  // Vault has written the line of a request before it answers.
  return (await readFile(bench.server.auditFile, "utf8")).trimEnd().split("\n");
}
