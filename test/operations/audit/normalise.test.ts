import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type AuditEntry, normalise } from "../../../operations/audit/normalise.ts";
import { AuditFile } from "../../../operations/audit/reader.ts";
import { enrol, unwrap } from "../../../operations/enrol.ts";
import { ensureFirstValues } from "../../../operations/values/first.ts";
import { localModel, makePlatform, startTestVault, type TestVault } from "../vault.ts";

let server: TestVault;
let audit: AuditFile;

before(async () => {
  server = await startTestVault();
  audit = new AuditFile(server.auditFile);
});
after(() => server.stop());

/** What a request leaves in the audit file, by the request's own id. */
async function entryOf(
  request: Promise<{ request_id: string }>,
): Promise<Omit<AuditEntry, "time" | "requestId"> | undefined> {
  const entry = await audit.find({ requestId: (await request).request_id });
  if (entry === undefined) return undefined;
  const { time, requestId: _, ...rest } = entry;
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000);
  return rest;
}

/** The newest entry of a path, for requests that are answered with an error and so without an id. */
async function lastOf(path: string): Promise<Pick<AuditEntry, "who" | "action" | "outcome"> | undefined> {
  const all = (await readFile(server.auditFile, "utf8")).split("\n").map(normalise);
  const entry = all.findLast((one) => one?.path === path);
  return entry && { who: entry.who, action: entry.action, outcome: entry.outcome };
}

test("real lines: time, who, action, path and outcome of each kind of request (R51, R52)", async (context) => {
  const model = await localModel(server);
  const sign = await makePlatform(server, model);
  const nobody = server.root.with(undefined);
  const login = await nobody.write("auth/github/login", {
    role: "keyplane.rotate",
    jwt: await sign("rotate.yml"),
  });
  const rotator = nobody.with(login.auth?.client_token);
  await ensureFirstValues(rotator, model, () => {});

  await context.test("a login by OIDC is the role's", async () => {
    assert.deepEqual(await entryOf(Promise.resolve(login)), {
      who: "keyplane.rotate",
      action: "login",
      path: "auth/github/login",
      outcome: "allowed",
    });
  });
  await context.test("a read is the role's, at its exact path", async () => {
    assert.deepEqual(await entryOf(rotator.request("GET", "kv/data/source/titan/hmac")), {
      who: "keyplane.rotate",
      action: "read",
      path: "kv/data/source/titan/hmac",
      outcome: "allowed",
    });
  });
  await context.test("a refused read is denied", async () => {
    await assert.rejects(rotator.request("GET", "sys/mounts"));
    assert.deepEqual(await lastOf("sys/mounts"), {
      who: "keyplane.rotate",
      action: "read",
      outcome: "denied",
    });
  });
  await context.test("a login with another workflow's token is denied", async () => {
    await assert.rejects(
      nobody.write("auth/github/login", { role: "keyplane.rotate", jwt: await sign("deploy.yml") }),
    );
    assert.deepEqual(await lastOf("auth/github/login"), {
      who: "nobody",
      action: "login",
      outcome: "denied",
    });
  });
  await context.test("a request that Vault could not do failed", async () => {
    await assert.rejects(rotator.write("kv/data/source/titan/hmac", { data: {}, options: { cas: 77 } }));
    assert.deepEqual(await lastOf("kv/data/source/titan/hmac"), {
      who: "keyplane.rotate",
      action: "update",
      outcome: "failed",
    });
  });
  await context.test(
    "a person who still lacks the second factor is pending, under the name they gave",
    async () => {
      const { token } = await enrol(server.root, model, "ada", { again: false, report: () => {} });
      const { password } = await unwrap(nobody, token);
      await nobody.write("auth/userpass/login/ada", { password });
      assert.deepEqual(await lastOf("auth/userpass/login/ada"), {
        who: "ada",
        action: "login",
        outcome: "pending",
      });
    },
  );
  await context.test("a wrong password is denied", async () => {
    await assert.rejects(nobody.write("auth/userpass/login/ada", { password: "wrong" }));
    assert.deepEqual(await lastOf("auth/userpass/login/ada"), {
      who: "ada",
      action: "login",
      outcome: "denied",
    });
  });
  await context.test("what root does says so", async () => {
    assert.equal((await entryOf(server.root.request("GET", "sys/auth")))?.who, "root");
  });
  await context.test("a list is a list", async () => {
    assert.equal(
      (await entryOf(rotator.request("GET", "kv/metadata/source/titan", { query: { list: true } })))?.action,
      "list",
    );
  });
  await context.test("every answered request has one entry", async () => {
    const lines = (await readFile(server.auditFile, "utf8")).split("\n").filter((line) => line !== "");
    const responses = lines.filter((line) => JSON.parse(line).type === "response");
    assert.equal(lines.map(normalise).filter((entry) => entry !== undefined).length, responses.length);
    assert.ok(responses.length > 100);
  });
  await context.test("no value of any field is in what is normalised (R52)", async () => {
    const values: string[] = [];
    for (const secret of model.secrets) {
      const read = await server.root.read<{ data: Record<string, string> }>(`kv/data/${secret.source}`);
      values.push(...Object.values(read?.data ?? {}));
    }
    assert.ok(values.length > 10);
    const text = JSON.stringify(await new AuditFile(server.auditFile).read());
    for (const value of values) assert.ok(!text.includes(value));
  });
});

test("a token in a path is masked", () => {
  const line = JSON.stringify({
    type: "response",
    time: "2026-11-22T19:49:47.742824699Z",
    auth: { display_name: "token" },
    request: {
      id: "1",
      operation: "update",
      path: "auth/token/lookup/hvs.CAESILNVNsZjvN8ZXLbMWBdkDTDFnP7yGb",
    },
  });
  assert.deepEqual(normalise(line), {
    time: "2026-11-22T19:49:47.742Z",
    who: "token",
    action: "update",
    path: "auth/token/lookup/****",
    outcome: "allowed",
    requestId: "1",
  });
});

test("the line of a request, another document and half a line are no entries", () => {
  for (const line of [
    '{"type":"request","time":"2026-11-22T19:49:47Z","request":{"id":"1","path":"x"}}',
    "[]",
    "1",
    "",
    '{"type":',
  ])
    assert.equal(normalise(line), undefined);
});

test("whatever stands in a line, nothing is thrown, and an entry is whole", () => {
  const json = fc.json();
  const line = fc.record(
    {
      type: fc.constantFrom("response", "request", 1),
      time: fc.oneof(fc.constant("2026-11-22T00:00:00Z"), fc.string(), fc.integer()),
      error: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
      auth: fc.oneof(
        fc.constant(null),
        fc.record({ display_name: fc.string(), policies: fc.constant(null) }),
        fc.jsonValue(),
      ),
      request: fc.oneof(fc.record({ id: fc.string(), path: fc.string() }), fc.jsonValue()),
      response: fc.oneof(fc.constant(null), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        json,
        fc.string(),
        line.map((one) => JSON.stringify(one)),
      ),
      (text) => {
        const entry = normalise(text);
        if (entry === undefined) return;
        assert.deepEqual(Object.keys(entry), ["time", "who", "action", "path", "outcome", "requestId"]);
        assert.ok(Object.values(entry).every((part) => typeof part === "string"));
      },
    ),
    { numRuns: process.env.KEYPLANE_SCALE === "prove" ? 20_000 : 1_000 },
  );
});

function response(id: string): string {
  return `${JSON.stringify({ type: "response", time: "2026-11-22T00:00:00Z", request: { id, operation: "read", path: `p/${id}` } })}\n`;
}

async function inFile(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-audit-"));
  try {
    await work(join(folder, "audit.log"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

const ids = (entries: AuditEntry[]) => entries.map(({ requestId }) => requestId);

test("a reader gives each entry once", async () => {
  await inFile(async (path) => {
    await writeFile(path, response("1") + response("2"));
    const reader = new AuditFile(path);
    assert.deepEqual(ids(await reader.read()), ["1", "2"]);
    assert.deepEqual(await reader.read(), []);
    await appendFile(path, response("3"));
    assert.deepEqual(ids(await reader.read()), ["3"]);
  });
});

test("a line that is still being written is read when it is whole", async () => {
  await inFile(async (path) => {
    const whole = response("1");
    await writeFile(path, whole.slice(0, 20));
    const reader = new AuditFile(path);
    assert.deepEqual(await reader.read(), []);
    await appendFile(path, whole.slice(20) + response("2"));
    assert.deepEqual(ids(await reader.read()), ["1", "2"]);
  });
});

test("a file that was rotated is read from its start", async () => {
  await inFile(async (path) => {
    await writeFile(path, response("1") + response("2"));
    const reader = await AuditFile.fromEnd(path);
    await truncate(path, 0);
    await appendFile(path, response("3"));
    assert.deepEqual(ids(await reader.read()), ["3"]);
  });
});

test("lines longer than a chunk are read whole", async () => {
  await inFile(async (path) => {
    const long = response("x".repeat(3 * 1024 * 1024));
    await writeFile(path, response("1") + long + response("2"));
    const entries = await new AuditFile(path).read();
    assert.deepEqual([entries.length, entries[2]?.requestId], [3, "2"]);
  });
});

test("find waits for a line that comes later, still knows those it passed, and gives up in time", async () => {
  await inFile(async (path) => {
    const reader = new AuditFile(path);
    setTimeout(() => void writeFile(path, response("1") + response("2")), 100);
    assert.equal((await reader.find({ requestId: "2" }))?.path, "p/2");
    assert.equal((await reader.find({ requestId: "1" }))?.path, "p/1");
    assert.equal(await reader.find({ requestId: "3" }, { timeout: 60 }), undefined);
    assert.equal(await reader.find({ requestId: "2", path: "p/1" }, { timeout: 60 }), undefined);
  });
});
