import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Vault } from "../../clients/vault.ts";
import { startServices } from "../../local/services/index.ts";
import { ProcessTable, stopProcess } from "../../local/services/process-table.ts";
import { tour } from "../../local/tour/index.ts";
import type { Model } from "../../model/model.ts";
import { type AuditEntry, normalise } from "../../operations/audit/normalise.ts";
import { startStack, type TestStack } from "./stack.ts";
import {
  type AuditLine,
  AuditLog,
  answeredId,
  auditLogs,
  auditTexts,
  reopenAudit,
} from "./support/audit-logs.ts";
import { dataPath } from "./support/consumer-path.ts";
import { asRoot, asService } from "./support/credentials.ts";
import { gitHubJobs, rightClaims } from "./support/github-job.ts";
import { login, statusOf, tokenOf } from "./support/login.ts";
import { plantValues } from "./support/planted.ts";
import { TokenForge } from "./support/token-forge.ts";

let stack: TestStack;
let model: Model;
let vault: Vault;
let first: AuditLog;
let second: AuditLog;

before(async () => {
  stack = await startStack();
  ({ model } = stack.first);
  ({ vault } = stack);
  const [one, other] = auditLogs(model);
  assert.ok(one !== undefined && other !== undefined);
  [first, second] = [one, other];
});
after(() => stack?.[Symbol.asyncDispose]());

const key = ({ type, request }: AuditLine) => `${type} ${request.operation} ${request.path} ${request.id}`;

describe("the audit devices (R51)", () => {
  test("are two, in folders of their own, which only the owner reads", async () => {
    assert.equal(model.vault.audit.length, 2);
    assert.notEqual(dirname(first.path), dirname(second.path));
    for (const { path } of [first, second]) {
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.equal((await stat(dirname(path))).mode & 0o777, 0o700);
    }
  });

  test("both hold every request of the tour, with its answer, and every line of the tour", async () => {
    const from = [await first.size(), await second.size()];
    const lines = [];
    for await (const line of tour({ services: stack.first.services, model, vault })) lines.push(line);
    const inVault = lines.filter(({ kept }) => kept === "audit");
    assert.ok(inVault.length >= 8, String(inVault.length));
    for (const { promise, outcome, audit } of inVault) {
      assert.equal(outcome, "holds", promise);
      assert.ok(audit !== undefined, promise);
      assert.ok(await first.has(audit.requestId), `${promise}: in the first`);
      assert.ok(await second.has(audit.requestId), `${promise}: in the second`);
    }
    const [inFirst, inSecond] = [await first.lines(from[0]), await second.lines(from[1])];
    assert.deepEqual(inFirst.map(key).toSorted(), inSecond.map(key).toSorted());
    const reads = inFirst.filter(
      ({ type, request }) => type === "response" && /^(kv\/data|database\/creds)\//.test(request.path),
    );
    assert.ok(reads.length >= 3, `${reads.length} reads of values`);
  });

  test("hold each read of a value by a consumer, allowed and denied, under its name (R52)", async () => {
    const service = model.appRoles.find(({ name }) => name === "titan.titan-brain");
    assert.ok(service !== undefined);
    const host = await asService({ ...stack.first, vault }, service.service);
    const own = model.secrets
      .flatMap(({ consumers }) => consumers)
      .filter(({ id }) => id === service.service);
    const foreign = model.secrets
      .flatMap(({ consumers }) => consumers)
      .filter(({ id }) => id !== service.service);
    for (const { path } of [...own, ...foreign]) await statusOf(host.request("GET", dataPath(model, path)));
    for (const log of [first, second]) {
      const entries = await entriesOf(log);
      for (const [paths, outcome] of [
        [own, "allowed"],
        [foreign, "denied"],
      ] as const) {
        for (const consumer of paths) {
          const path = dataPath(model, consumer.path);
          const entry: AuditEntry | undefined = entries.findLast(
            (one) => one.path === path && one.who === service.name,
          );
          assert.ok(entry !== undefined, `${log.name}: ${path}`);
          assert.equal(entry.action, "read");
          assert.equal(entry.outcome, outcome, `${log.name}: ${path}`);
          assert.ok(Math.abs(Date.parse(entry.time) - Date.now()) < 60_000);
        }
      }
    }
  });

  test("say of a CI job's request which run of which repository and branch it was", async () => {
    const [job] = gitHubJobs(model);
    assert.ok(job !== undefined);
    const forge = await TokenForge.ofStack(stack.home);
    const claims = rightClaims(job);
    const token = await tokenOf(vault, `auth/${model.vault.auth.github}/login`, {
      role: job.role,
      jwt: await forge.sign(claims),
    });
    const path = dataPath(model, "services/none/of/its");
    assert.equal(await statusOf(vault.with(token).request("GET", path)), 403);
    for (const log of [first, second]) {
      const line = (await log.lines()).findLast(
        ({ type, request }) => type === "response" && request.path === path,
      );
      const { repository, ref, run_id, actor, sha } = line?.auth?.metadata ?? {};
      assert.deepEqual(
        { repository, ref, run_id, actor, sha },
        {
          repository: claims.repository,
          ref: claims.ref,
          run_id: claims.run_id,
          actor: claims.actor,
          sha: claims.sha,
        },
      );
    }
  });

  test("hold each refused login", async () => {
    const [job] = gitHubJobs(model);
    assert.ok(job !== undefined);
    const count = async () =>
      (await entriesOf(first)).filter((one) => one.action === "login" && one.outcome === "denied").length;
    const beforehand = await count();
    const { github, approle, human } = model.vault.auth;
    const refused = [
      await login(vault, `auth/${github}/login`, { role: job.role, jwt: "x.y.z" }),
      await login(vault, `auth/${approle}/login`, { role_id: "x", secret_id: "y" }),
      await login(vault, `auth/${human}/login/hana`, { password: "z" }),
    ];
    assert.deepEqual(
      refused.map(({ admitted }) => admitted),
      [false, false, false],
    );
    assert.equal(await count(), beforehand + 3);
  });
});

describe("no audit file holds a value in clear (R52, R54)", () => {
  test("of a secret, a token, a password, a second factor, a login token or a key", async () => {
    const planted = await plantValues(stack);
    const { root, end } = await asRoot({ ...stack.first, vault });
    const texts = await auditTexts(model);
    assert.equal(texts.length, 2);
    for (const { what, value, audited } of planted) {
      for (const { path, text } of texts) {
        assert.ok(!text.includes(value), `${path} holds ${what}`);
        assert.ok(!text.includes(JSON.stringify(value).slice(1, -1)), `${path} holds ${what}, escaped`);
        assert.ok(!text.includes(Buffer.from(value).toString("base64")), `${path} holds ${what} in base64`);
      }
      if (!audited) continue;
      // It did pass through the log, as a hash under the device's own salt: the search above is not a search in vain.
      for (const [index, { name }] of [first, second].entries()) {
        const { data } = await root.write<{ hash: string }>(`sys/audit-hash/${name}`, { input: value });
        assert.ok(texts[index]?.text.includes(data.hash), `${name} has the hash of ${what}`);
      }
    }
    await end();
  });
});

describe("a device that fails (R51)", () => {
  test("leaves every request answered and logged by the other, and comes back", async () => {
    for (const [broken, whole] of [
      [first, second],
      [second, first],
    ] as const) {
      await broken.break();
      const away = new AuditLog(broken.name, `${broken.path}.away`);
      await reopenAudit(stack, async () => !(await lastsIn(away)));
      const size = await away.size();
      const ids = await severalRequests();
      assert.equal(ids.length, 8);
      for (const id of ids) {
        assert.ok(id !== undefined, `answered while ${broken.name} fails`);
        assert.ok(await whole.has(id), `${whole.name} has it`);
      }
      assert.equal(await away.size(), size, "nothing more in the file that was moved away");
      await broken.heal();
      await reopenAudit(stack, async () => (await lookUp()) !== undefined && (await exists(broken)));
      for (const id of await severalRequests()) {
        assert.ok(id !== undefined);
        assert.ok(await broken.has(id), `${broken.name} is back`);
        assert.ok(await whole.has(id), `${whole.name} goes on`);
      }
      assert.equal((await stat(broken.path)).mode & 0o777, 0o600);
    }
  });

  test("and its fellow: no audited request succeeds or has an effect until one is back", async () => {
    const secret = model.secrets.find(({ id }) => id === "soma/redis");
    assert.ok(secret !== undefined);
    const path = dataPath(model, secret.source);
    const { vault: rotator, end } = await stack.as("rotate");
    const original = await rotator.read<{ metadata: { version: number } }>(path);
    assert.ok(original !== undefined);
    const { version } = original.metadata;
    const [job] = gitHubJobs(model);
    assert.ok(job !== undefined);
    const jwt = await (await TokenForge.ofStack(stack.home)).sign(rightClaims(job));
    const enter = () => login(vault, `auth/${model.vault.auth.github}/login`, { role: job.role, jwt });
    assert.equal((await enter()).admitted, true);

    await first.break();
    await second.break();
    await reopenAudit(stack, async () => (await answeredId(rotator.request("GET", path))) === undefined);
    assert.equal(await statusOf(rotator.request("GET", path)), 500);
    assert.equal(await statusOf(rotator.write(path, { data: { x: "y" }, options: { cas: version } })), 500);
    assert.equal(await statusOf(rotator.request("GET", "auth/token/lookup-self")), 500);
    assert.equal(await statusOf(rotator.write("auth/token/renew-self")), 500);
    const refused = await enter();
    assert.ok(!refused.admitted && refused.status === 500);
    assert.equal(await statusOf(vault.read("sys/health")), 200, "Vault itself is up");

    await second.heal();
    await reopenAudit(stack, async () => (await answeredId(rotator.request("GET", path))) !== undefined);
    const unchanged = await rotator.request<{ metadata: { version: number } }>("GET", path);
    assert.equal(unchanged.data.metadata.version, version, "the refused write had no effect");
    assert.ok(await second.has(unchanged.request_id));
    await first.heal();
    await reopenAudit(stack, () => exists(first));
    assert.equal((await enter()).admitted, true);
    const id = await answeredId(rotator.request("GET", path));
    assert.ok(id !== undefined);
    assert.ok((await first.has(id)) && (await second.has(id)));
    await end();
  });
});

describe("a device that fails while Vault starts (R51)", () => {
  test("leaves it to the other, and is back after the next start without the fault", async () => {
    await first.break();
    await restart();
    const meanwhile = await lookUp();
    assert.ok(meanwhile !== undefined && (await second.has(meanwhile)));
    const seen = [];
    for await (const line of tour({ services: stack.first.services, model, vault })) seen.push(line);
    const inVault = seen.filter(({ kept }) => kept === "audit");
    assert.ok(inVault.length >= 8, String(inVault.length));
    assert.deepEqual(
      inVault.filter(({ outcome, audit }) => outcome !== "fails" || audit !== undefined),
      [],
      "no promise holds whose line is not in both files",
    );
    await first.heal();
    // Vault opens only what it opened at its start again: without a restart the device stays silent.
    await restart();
    const id = await lookUp();
    assert.ok(id !== undefined);
    assert.ok((await first.has(id)) && (await second.has(id)));
  });
});

async function restart(): Promise<void> {
  const process = await (await ProcessTable.read(stack.home)).running("vault");
  assert.ok(process !== undefined);
  await stopProcess(process, "SIGTERM");
  await startServices(stack.home, { report: () => {} });
}

async function entriesOf(log: AuditLog): Promise<AuditEntry[]> {
  return (await log.lines()).flatMap((line) => normalise(JSON.stringify(line)) ?? []);
}

async function exists({ path }: AuditLog): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** One audited request, answered or not. */
async function lookUp(): Promise<string | undefined> {
  const { vault: session, end } = await stack.as("drift");
  const id = await answeredId(session.request("GET", "auth/token/lookup-self"));
  await end();
  return id;
}

/** Whether the next request still goes into a file. */
async function lastsIn(log: AuditLog): Promise<boolean> {
  const size = await log.size();
  await lookUp();
  return (await log.size()) > size;
}

/** Requests of several kinds: the ids under which they were answered. */
async function severalRequests(): Promise<(string | undefined)[]> {
  const { vault: rotator, end } = await stack.as("rotate");
  const { vault: drift, end: endDrift } = await stack.as("drift");
  const host = await asService({ ...stack.first, vault }, "titan/titan-brain");
  const consumer = model.secrets
    .find(({ id }) => id === "titan/hmac")
    ?.consumers.find(({ id }) => id === "titan/titan-brain");
  assert.ok(consumer !== undefined);
  const { database, kv } = model.vault.mounts;
  const user = model.databases
    .flatMap(({ users }) => users)
    .find(({ service }) => service === "titan/titan-ai-quant");
  assert.ok(user !== undefined);
  const quant = await asService({ ...stack.first, vault }, user.service);
  const ids = [
    await answeredId(host.request("GET", dataPath(model, consumer.path))),
    await answeredId(host.request("GET", "auth/token/lookup-self")),
    await answeredId(host.write("auth/token/renew-self")),
    await answeredId(quant.request("GET", `${database}/creds/${user.role}`)),
    await answeredId(rotator.request("GET", dataPath(model, consumer.path))),
    await answeredId(drift.request("GET", `${kv}/metadata/${consumer.path}`)),
    await answeredId(drift.request("GET", "sys/auth")),
    await answeredId(drift.request("GET", "sys/mounts")),
  ];
  await end();
  await endDrift();
  return ids;
}
