import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, suite, test } from "node:test";
import { rotateKept } from "../../cli/kept-rotations.ts";
import { counted, named, refuseKept } from "../../cli/rotate.ts";
import { keptRows } from "../../cli/rotation-rows.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { secretNamed } from "../../operations/values/set.ts";
import { keyplane } from "./command.ts";

const model = derive(await loadCatalogue("catalogue"), "production");
const invocation = { signal: new AbortController().signal, dryRun: false, report: () => {} };
const names = ["AWS_ROLE_ARN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const own = Object.fromEntries(names.map((name) => [name, process.env[name]]));

before(() => {
  for (const name of names) delete process.env[name];
});
after(() => {
  for (const name of names) if (own[name] !== undefined) process.env[name] = own[name];
});

const inStore = model.aws?.secrets ?? [];
const secret = "keyplane/production/titan/ledger/titan-proxy";

test("what has leaked in Secrets Manager is named where nobody can rotate it from here, with what to do: 1 (R21)", async () => {
  const rows = await rotateKept(invocation, { model }, "leaked", inStore);
  assert.deepEqual(
    rows.map(({ secret: name, result, code }) => [name, result, code]),
    [[secret, "by hand", 1]],
  );
  assert.match(
    rows[0]?.text ?? "",
    /^not rotated: .* as the role keyplane-production-rotate \(AWS_ROLE_ARN\), or as an administrator `aws secretsmanager rotate-secret --secret-id keyplane\/production\/titan\/ledger\/titan-proxy` twice, the second time once the first is in force$/,
  );
});

test("what is due there is left to the workflow that has the role: 0", async () => {
  const rows = await rotateKept(invocation, { model }, "overdue", inStore);
  assert.deepEqual(
    rows.map(({ secret: name, code }) => [name, code]),
    [["1 in Secrets Manager", 0]],
  );
});

suite("stopped by Ctrl-C, what Secrets Manager keeps is no success and no finding: 4", () => {
  /** Secrets Manager, where nothing has a value yet; stopped once a rotation is asked for. */
  async function stopped(asked: "overdue" | "leaked", before: boolean) {
    const stop = new AbortController();
    if (before) stop.abort();
    const server = createServer(async (request, response) => {
      const action = String(request.headers["x-amz-target"]).split(".").at(-1);
      if (action === "RotateSecret") stop.abort();
      await request.resume().toArray();
      const described = { Name: secret, RotationEnabled: true, CreatedDate: 1_700_000_000 };
      response.end(JSON.stringify(action === "RotateSecret" ? { VersionId: "v2" } : described));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    process.env.AWS_ACCESS_KEY_ID = "id";
    process.env.AWS_SECRET_ACCESS_KEY = "key";
    try {
      assert.ok(model.aws);
      const aws = { ...model.aws, emulator: `http://127.0.0.1:${port}` };
      const own = { ...invocation, signal: stop.signal };
      const rows = await rotateKept(own, { model: { ...model, aws } }, asked, inStore);
      return rows.map((row) => [row.secret, row.result, row.code, row.text]);
    } finally {
      for (const name of names) delete process.env[name];
      server.closeAllConnections();
      server.close();
    }
  }
  const again = "run the same command again";
  test("before it begins", async () => {
    assert.deepEqual(await stopped("overdue", true), [
      [secret, "held", 4, `did not begin: stopped; ${again}`],
    ]);
    assert.deepEqual(await stopped("leaked", true), [
      [secret, "held", 4, `not revoked yet, did not begin: stopped; ${again}`],
    ]);
  });
  test("while it is waited for", async () => {
    const began = "due since 2023-11-14T22:13:20.000Z, and version v2 was begun and not waited for: stopped";
    assert.deepEqual(await stopped("overdue", false), [[secret, "waits", 4, `${began}; ${again}`]]);
    assert.deepEqual(await stopped("leaked", false), [
      [secret, "waits", 4, `not revoked yet, ${began}; ${again}`],
    ]);
  });
});

suite("a database user that Secrets Manager keeps is named like any other", () => {
  const id = "titan/ledger-titan-proxy";
  for (const name of [id, secret]) {
    test(`and rotated by that name (${name})`, async () => {
      const { secrets, keys, kept } = named(model, [name]);
      assert.deepEqual([secrets, keys, kept.map((one) => one.name)], [[], [], [secret]]);
      const rows = await rotateKept(invocation, { model }, "all", kept);
      assert.deepEqual(
        rows.map((row) => [row.secret, row.result, row.code]),
        [[secret, "by hand", 1]],
      );
      assert.deepEqual(await rotateKept(invocation, { model }, "all", []), []);
    });
  }
  test("and counted beside others, or alone, where a person is asked", () => {
    const [kept, all] = [named(model, [id]).kept, named(model, [])];
    const hmac = named(model, ["titan/hmac"]);
    assert.deepEqual(
      [{ ...hmac, kept }, { ...named(model, [id]), kept: [...kept, ...kept] }, named(model, [id])].map(
        counted,
      ),
      ["1 secret, and 1 in Secrets Manager", "2 in Secrets Manager", id],
    );
    assert.match(counted(all), /^\d+ secrets and \d+ encryption keys?, and 1 in Secrets Manager$/);
  });
  test("in what its status says: who keeps it, under which name, and what rotates it", () => {
    const [row] = keptRows(named(model, [id]).kept);
    assert.deepEqual([row?.secret, row?.code], [id, 0]);
    assert.equal(
      row?.text,
      `Secrets Manager keeps it as ${secret} and rotates it every 30 d (log /aws/lambda/keyplane-production-rotate-postgres-titan-ledger); ` +
        `\`keyplane rotate ${id}\` has it rotated now`,
    );
  });
  test("and what Secrets Manager ends by itself is not resumed or aborted here", () => {
    assert.throws(() => refuseKept(named(model, [id]).kept), {
      name: "UsageError",
      message: /^Secrets Manager keeps titan\/ledger-titan-proxy .* and ends by itself what it has begun/,
    });
  });
  test("and `set` says that nobody sets it", async () => {
    const message = new RegExp(
      `^${id} is a database user that Secrets Manager keeps \\(${secret}\\): nobody sets its password, \`keyplane rotate ${id}\` has it replaced$`,
    );
    assert.throws(() => secretNamed(model, id), { name: "UnknownNameError", message });
    const { code, stderr } = await keyplane(["set", id, "--dry-run", "--environment", "production"]);
    assert.equal(code, 2);
    assert.match(stderr, /is a database user that Secrets Manager keeps/);
  });
});
