import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Vault } from "../../../clients/vault.ts";
import type { Model } from "../../../model/model.ts";
import { AuditCommand } from "../../../operations/audit/command.ts";
import { AuditTrail } from "../../../operations/audit/trail.ts";
import { type Probe, probe } from "../../../operations/gates/live.ts";
import { localModel, makePlatform, startTestVault, type TestVault } from "../vault.ts";

// A real Vault as an environment elsewhere has it: its audit files are not at hand, and a command asks a collector.

let server: TestVault;
let model: Model;
let session: Vault;

before(async () => {
  server = await startTestVault();
  model = await localModel(server);
  const sign = await makePlatform(server, model);
  for (const device of ["first", "second"]) {
    await server.root.write(`sys/audit/${device}`, {
      type: "file",
      options: { file_path: join(server.folder, `${device}.log`) },
    });
  }
  const nobody = server.root.with(undefined);
  const jwt = await sign("drift.yml");
  const { auth } = await nobody.write("auth/github/login", { role: "keyplane.drift", jwt });
  session = nobody.with(auth?.client_token);
});
after(() => server?.stop());

const soon = { within: 400, every: 50 };
const file = (device: string) => join(server.folder, `${device}.log`);

/** The probe of an audited read, with a command for each device. */
async function audited(commands: string[], times: { within: number; every: number } = soon): Promise<Probe> {
  const trail = await AuditTrail.follow(
    [],
    commands.map((command) => new AuditCommand(command, times)),
  );
  const probes = await probe({
    model,
    vault: server.root.with(undefined),
    session: { vault: session, who: "keyplane.drift" },
    widened: [],
    audit: (answer, who) => trail.of(answer, who),
  });
  return probes.find(({ name }) => name === "audit") ?? assert.fail();
}

suite("a read is looked for where the audit devices' lines are collected (R51)", () => {
  test("is tried, and found in every device", async () => {
    const { how, holds, seen } = await audited([`cat ${file("first")}`, `cat ${file("second")}`]);
    assert.deepEqual({ how, holds }, { how: "tried", holds: true });
    assert.match(seen, /^tried: \S+ keyplane\.drift read sys\/audit$/);
  });
  for (const [what, command] of Object.entries({
    "has nothing": "true",
    "has other requests alone": 'grep -v "$KEYPLANE_REQUEST_ID" "$FIRST"',
    "prints what is no line of Vault's": 'echo \'{"type":"response"}\'',
  })) {
    test(`fails where one device's collector ${what}`, async () => {
      const shell = command.replace('"$FIRST"', file("first"));
      const { how, holds, seen } = await audited([`cat ${file("second")}`, shell]);
      assert.deepEqual({ how, holds }, { how: "tried", holds: false });
      assert.equal(seen, "tried: its line is not in every device");
    });
  }
  test("names a collector's command that does not answer, after it was asked again (R51)", async () => {
    await assert.rejects(audited([`cat ${file("second")}`, "exit 3"]), {
      name: "AuditCommandError",
      message: "a command of --audit-command ended with 3: run it in a shell to see why",
    });
    const mark = join(server.folder, "failed");
    const once = `[ -e ${mark} ] && cat ${file("first")} || { touch ${mark}; exit 3; }`;
    assert.equal((await audited([once], { within: 60_000, every: 50 })).holds, true);
  });
  test("is asked for again, for collectors have a line later", async () => {
    const mark = join(server.folder, "asked");
    const late = `[ -e ${mark} ] && cat ${file("first")} || touch ${mark}`;
    assert.equal((await audited([late], { within: 60_000, every: 50 })).holds, true);
  });
  test("tells the command which request it is, and gives it no token of Vault's", async () => {
    const told = join(server.folder, "told");
    process.env.VAULT_TOKEN = "a-token";
    try {
      const command = `echo "$KEYPLANE_REQUEST_ID [$VAULT_TOKEN]" > ${told}; cat ${file("first")}`;
      assert.equal((await audited([command])).holds, true);
    } finally {
      delete process.env.VAULT_TOKEN;
    }
    assert.match(await readFile(told, "utf8"), /^[0-9a-f]{8}-[0-9a-f-]{27} \[\]\n$/);
  });
});
