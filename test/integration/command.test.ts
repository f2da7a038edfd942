import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { StopLoggingCommand } from "@aws-sdk/client-cloudtrail";
import { SetAlarmStateCommand } from "@aws-sdk/client-cloudwatch";
import { GetQueueUrlCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { Vault } from "../../clients/vault.ts";
import { loginAs } from "../../local/identity.ts";
import { clientsOf } from "../../local/providers/aws/clients.ts";
import { holdStack, layout } from "../../local/services/home.ts";
import {
  environmentOf,
  type LocalServices,
  startServices,
  stopServices,
} from "../../local/services/index.ts";
import { ProcessTable } from "../../local/services/process-table.ts";
import { ensureTools } from "../../local/toolchain/index.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { type Running, withRoot } from "./support/credentials.ts";
import { assertInterrupted, said } from "./support/interrupted.ts";
import { keyplane, type Run } from "./support/keyplane.ts";
import { statusOf } from "./support/login.ts";
import { spoilt } from "./support/spoilt-catalogues.ts";

// The commands of the local stack, each as a process of its own, on one stack: the tests build on each other.

let folder: string;
let home: string;
let services: LocalServices;
let first: Run;
let running: Running;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-command-"));
  home = join(folder, "home");
  // As in a checkout, where Node takes what lies below for ES modules.
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
});
after(async () => {
  await running?.vault.close();
  await stopServices(home, { deleteData: true, report: () => {} });
  await rm(folder, { recursive: true, force: true });
});

test("`up` with a wrong catalogue exits 2 with its position before it starts or makes anything", async (t) => {
  for (const { name, spoil, expected } of spoilt) {
    await t.test(name, async () => {
      const catalogue = await mkdtemp(join(folder, "catalogue-"));
      await cp("catalogue", catalogue, { recursive: true });
      await spoil(catalogue);
      const { code, stdout, stderr } = await keyplane(home, ["up", "--catalogue", catalogue]);
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr.replaceAll(`${catalogue}/`, ""), expected);
      assert.equal(existsSync(home), false);
    });
  }
});

test("`up --environment staging` exits 2 before it makes anything, and says what deploys staging", async () => {
  const { code, stdout, stderr } = await keyplane(home, ["up", "--environment", "staging"]);
  assert.deepEqual([code, stdout], [2, ""], stderr);
  assert.match(stderr, /pulumi up --stack staging/);
  assert.equal(existsSync(home), false);
});

for (const [missing, there] of [
  ["vault 1.21.1", ["pulumi"]],
  ["The AWS emulator", ["pulumi", "vault"]],
] as const) {
  test(`\`up\` gets its tools before it holds the stack: without ${missing} it says so while another one holds it`, async () => {
    const [held, bin] = [join(folder, "held"), await mkdtemp(join(folder, "bin-"))];
    await mkdir(held, { recursive: true });
    for (const [name, file] of Object.entries(await ensureTools(there, () => {}))) {
      await symlink(file, join(bin, name));
    }
    using _held = await holdStack(held, { report: () => {} });
    const environment = { PATH: bin, XDG_CACHE_HOME: join(folder, "cache"), KEYPLANE_TOOLCHAIN: "path" };
    const { code, stderr } = await keyplane(held, ["up"], { environment });
    assert.equal(code, 3, stderr);
    assert.match(stderr, new RegExp(`^error: ${missing}.* could not be `, "m"));
  });
}

test("`status` of what was never started exits 1 and makes nothing", async () => {
  const { code, stdout } = await keyplane(home, ["status", "--json"]);
  assert.equal(code, 1);
  assert.deepEqual(states(stdout), {
    vault: "stopped",
    postgres: "stopped",
    issuer: "stopped",
    aws: "stopped",
  });
  assert.equal(existsSync(home), false);
});

test("the first `up` exits 0", async () => {
  services = await startServices(home, { report: () => {} });
  first = await keyplane(home, ["up"]);
  assert.equal(first.code, 0, first.stderr);
  const { address, ca } = services.vault;
  const model = derive(await loadCatalogue("catalogue"), "local", environmentOf(services));
  running = { services, model, vault: new Vault({ address, ca }) };
});

test("`up` shows every promise of the tour as kept, with what was seen and its line in Vault's or AWS' record", () => {
  const lines = stripVTControlCharacters(first.stdout).split("\n");
  const tour = lines.slice(0, lines.indexOf(""));
  const shown = tour.slice(0, 10 * 3);
  const records = { audit: 0, trail: 0 };
  for (let at = 0; at < shown.length; at += 3) {
    assert.match(shown[at] ?? "", /^✓ \S/);
    assert.match(shown[at + 1] ?? "", /^ {4}\S/);
    const [, kept = "", rest = ""] =
      /^ {4}(audit|trail): \d{4}-\d\d-\d\dT[\d:.]+Z {2}(.*)$/.exec(shown[at + 2] ?? "") ?? [];
    if (kept === "audit") assert.match(rest, /^\S+ {2}\w+ {2}[\w-]+\/\S+ {2}(allowed|denied|pending)$/);
    else assert.match(rest, /^(the account|a role's session) {2}[a-z]+ [A-Z]\w+ {2}\S+$/);
    records[kept as keyof typeof records]++;
  }
  assert.deepEqual(records, { audit: 8, trail: 2 });
  // What an emulator cannot show is said, and nothing else is left out.
  assert.match(
    tour.slice(30).join("\n"),
    /^- people need a second factor, .*\n {4}not shown: the emulator .*$/,
  );
});

test("`up` ends with what to try next, and each command works on this stack", async () => {
  const [, next] = stripVTControlCharacters(first.stdout).split("\nWhat to try next:\n");
  const commands = (next ?? "")
    .trimEnd()
    .split("\n")
    .map((line) => /^ {2}(\S.*?) {2,}\S/.exec(line)?.[1] ?? line);
  const { people, secrets } = derive(await loadCatalogue("catalogue"), "local");
  const person = people.find(({ groups }) => groups.length > 0)?.name;
  const byHand = secrets.filter(({ generator }) => generator.by !== "machine").map(({ id }) => id);
  assert.deepEqual(commands, [
    "npx keyplane status",
    `npx keyplane enrol ${person}`,
    `npx keyplane set ${byHand[0]}`,
    "npx keyplane up --dry-run",
    "npm run down",
  ]);
  for (const command of commands.slice(0, 4)) {
    const words = command.split(" ").slice(2);
    // As it stands, but for what would change something.
    const harmless = /^(enrol|set)$/.test(words[0] ?? "") ? [...words, "--dry-run"] : words;
    const { code, stdout, stderr } = await keyplane(home, harmless);
    assert.equal(code, 0, `${command}: ${stdout}${stderr}`);
  }
  const { scripts } = JSON.parse(await readFile("package.json", "utf8")) as { scripts: object };
  assert.ok("down" in scripts);
});

test("after the first `up` Vault refuses the root token, and the state folder does not hold it", async () => {
  const { rootToken, address, ca } = services.vault;
  assert.ok(rootToken !== undefined, "it was there before");
  const vault = new Vault({ address, ca, token: rootToken });
  assert.equal(await statusOf(vault.read("auth/token/lookup-self")), 403);
  await vault.close();
  const keys = await readFile(layout(home).vault.keys, "utf8");
  assert.deepEqual(Object.keys(JSON.parse(keys)), ["unsealKeys"]);
  assert.ok(!keys.includes(rootToken));
});

test("`status` exits 0 and says where each service is", async () => {
  const { code, stdout } = await keyplane(home, ["status"]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^vault +running +https:\/\/127\.0\.0\.1:\d+ +pid \d+$/m);
  assert.match(stdout, /^postgres +running +\S*127\.0\.0\.1:\d+ +pid \d+$/m);
  assert.match(stdout, /^issuer +running +https:\/\/127\.0\.0\.1:\d+ +pid \d+$/m);
  assert.match(stdout, /^aws +running +http:\/\/127\.0\.0\.1:\d+ +pid \d+$/m);
});

test("`status` says of the AWS account what is recorded, what rings, what is called, what rotates and what failed", async () => {
  const { stdout } = await keyplane(home, ["status"]);
  assert.match(stdout, /^aws trail +recording +keyplane-local-trail$/m);
  assert.match(stdout, /^aws alarms +quiet +\d+$/m);
  assert.match(stdout, /^aws schedule +enabled +keyplane-local-rotate-due +cron\(\S+ \* \* \* \? \*\)$/m);
  assert.match(
    stdout,
    /^aws secret +rotates +keyplane\/local\/titan\/ledger\/titan-proxy +since \d{4}-\S+Z$/m,
  );
  assert.match(stdout, /^aws queue +empty +keyplane-local-dead-letters$/m);
});

test("`status` exits 1 where the trail was stopped, an alarm rings or a run was put aside, and names it", async () => {
  const aws = clientsOf(services.aws);
  try {
    await aws.trail.send(new StopLoggingCommand({ Name: "keyplane-local-trail" }));
    await aws.metrics.send(
      new SetAlarmStateCommand({
        AlarmName: "keyplane-local-put-aside",
        StateValue: "ALARM",
        StateReason: "test",
      }),
    );
    const { QueueUrl } = await aws.sqs.send(
      new GetQueueUrlCommand({ QueueName: "keyplane-local-dead-letters" }),
    );
    await aws.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "{}" }));
    const { code, stdout } = await keyplane(home, ["status", "--json"]);
    assert.equal(code, 1);
    const { aws: account } = JSON.parse(stdout) as { aws: { name: string; state: string; detail: string }[] };
    const unwell = account.filter((one) => !("isWell" in one && one.isWell));
    assert.deepEqual(
      unwell.map(({ name, state, detail }) => [name, state, detail]),
      [
        ["keyplane-local-trail", "stopped", ""],
        ["18", "ringing", "keyplane-local-put-aside"],
        ["keyplane-local-dead-letters", "holds", "1 that failed"],
      ],
    );
  } finally {
    aws.close();
  }
});

test("`down --delete` beside a running `up` exits 4, names its process and since when, and stops and removes nothing", async () => {
  using _held = await holdStack(home, { report: () => {} });
  const { code, stderr } = await keyplane(home, ["down", "--delete"]);
  assert.equal(code, 4, stderr);
  assert.match(
    stderr,
    new RegExp(
      `error: Another keyplane command \\(process ${process.pid}, since \\S+Z\\) works on the local stack`,
    ),
  );
  assert.equal((await keyplane(home, ["status"])).stdout.match(/ running /g)?.length, 4);
});

/** What is changed by hand: the policy of a service. */
const brain = "titan.titan-brain";
const widened = 'path "kv/data/*" { capabilities = ["read"] }';
const widen = () => withRoot(running, (root) => root.write(`sys/policies/acl/${brain}`, { policy: widened }));
const policyOf = async (name: string) =>
  withRoot(
    running,
    async (root) => (await root.read<{ policy: string }>(`sys/policies/acl/${name}`))?.policy,
  );

test("Ctrl-C before the engine of `up` exits 4, says to run it again, and leaves no session and no engine's lock", async () => {
  await assertInterrupted(running, ["up"], (run) => said(run, /^= aws: running/m));
});

test("Ctrl-C during the update of `up` does the same, and cuts the update short", async () => {
  // Deleted by hand, for an update to have something to do.
  const names = running.model.policies
    .map(({ name }) => name)
    .filter((name) => /^(?!keyplane)\S+\./.test(name));
  await withRoot(running, async (root) => {
    for (const name of names) await root.delete(`sys/policies/acl/${name}`);
  });
  const missing = async (vault: Vault) => {
    const there = await vault.list("sys/policies/acl");
    return names.filter((name) => !there.includes(name)).length;
  };
  await assertInterrupted(running, ["up", "--refresh"], async (run) => {
    const session = await loginAs(running.services, running.model, running.vault, "drift");
    while (run.exitCode === null && (await missing(session.vault)) === names.length) await sleep(5);
    await session.end();
  });
  assert.ok((await withRoot(running, missing)) > 0);

  const next = await keyplane(home, ["up", "--no-tour"]);
  assert.equal(next.code, 0, next.stderr);
  assert.equal(await withRoot(running, missing), 0, "the next `up` makes the rest");
});

test("Ctrl-C in the tour of `up` does the same, and what was changed by hand in Vault is as it was", async () => {
  const before = await policyOf(brain);
  assert.match(before ?? "", /titan-brain/);
  await widen();
  await assertInterrupted(running, ["up"], (run) => said(run, /^· tour: /m));
  assert.equal(await policyOf(brain), widened);
});

test("`up --refresh` names what was changed by hand in Vault and AWS, and puts it right; its dry run only names it", async () => {
  const aws = clientsOf(services.aws);
  await aws.trail.send(new StopLoggingCommand({ Name: "keyplane-local-trail" }));
  aws.close();
  const changed = [
    "update keyplane:aws:AuditTrail$aws:cloudtrail/trail:Trail audit-trail",
    `update vault:index/policy:Policy ${brain}`,
  ];
  const planned = await keyplane(home, ["up", "--refresh", "--dry-run", "--json"]);
  assert.deepEqual([planned.code, JSON.parse(planned.stdout).resources], [0, changed], planned.stderr);
  assert.equal(await policyOf(brain), widened);
  const mended = await keyplane(home, ["up", "--refresh", "--no-tour"]);
  assert.equal(mended.code, 0, mended.stderr);
  assert.deepEqual(mended.stdout.split("\n").slice(0, 3), [
    "2 resource(s) changed.",
    ...changed.map((line) => `  ${line}`),
  ]);
  assert.match((await policyOf(brain)) ?? "", /titan-brain/);
});

test("`set` logs in to the local stack by its own issuer", async () => {
  const { code, stdout, stderr } = await keyplane(home, ["set", "titan/gemini", "--json"], {
    input: "Zk3v-9Qm7_tR2xWb8LpYc5Ns\n",
  });
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).version, 1);
});

test("`up --providers official` gives the plugins the systems' addresses, Vault's CA and the token by their environment", async () => {
  const seen = join(folder, "plugin.env");
  const bin = join(folder, "bin");
  await mkdir(bin);
  const variables = [
    "VAULT_ADDR",
    "VAULT_CACERT",
    "AWS_ENDPOINT_URL",
    "PULUMI_DEBUG_PROVIDERS",
    "VAULT_TOKEN",
  ];
  // They stand in for the official plugins, which would have to be downloaded: they say what they were given, and end.
  for (const name of ["vault", "aws"]) {
    const plugin = join(bin, `pulumi-resource-${name}`);
    const given = variables.map((each) => `"$${each}"`).join(" ");
    await writeFile(plugin, `#!/bin/sh\nprintf '%s\\n' ${given} > '${seen}'\nexit 1\n`);
    await chmod(plugin, 0o700);
  }
  const run = await keyplane(home, ["up", "--providers", "official", "--no-tour"], {
    environment: { PATH: `${bin}${delimiter}${process.env.PATH}` },
  });
  const [address, ca, endpoint, attached, token] = (await readFile(seen, "utf8")).split("\n");
  const { vault, aws } = services;
  assert.deepEqual([address, ca, endpoint, attached], [vault.address, vault.caFile, aws.endpoint, ""]);
  assert.match(token ?? "", /^hvs\./);
  assert.equal(run.code, 4);
  assert.match(run.stderr, /^error: .*pulumi-resource-(vault|aws) exited prematurely/m);
});

test("`up --providers official` where a plugin cannot be had exits 4 and names the plugin and its version", async () => {
  const run = await keyplane(home, ["up", "--providers", "official", "--no-tour"], {
    environment: { HTTPS_PROXY: "http://127.0.0.1:9", NO_PROXY: "127.0.0.1" },
  });
  assert.equal(run.code, 4);
  assert.match(
    run.stderr,
    /^error: .*Could not automatically download .*'pulumi-resource-(vault' at version v7\.8\.0|aws' at version v7\.48\.0)/m,
  );
});

test("`status` exits 1 after a service was killed, and says which", async () => {
  const issuer = await (await ProcessTable.read(home)).running("issuer");
  assert.ok(issuer !== undefined);
  process.kill(issuer.pid, "SIGKILL");
  const { code, stdout } = await keyplane(home, ["status", "--json"]);
  assert.equal(code, 1);
  assert.deepEqual(states(stdout), {
    vault: "running",
    postgres: "running",
    issuer: "stopped",
    aws: "running",
  });
});

test("`down --json` stops what runs, says so, and keeps the data", async () => {
  const { code, stdout, stderr } = await keyplane(home, ["down", "--json"]);
  assert.equal(code, 0, stderr);
  const { stopped, deleted } = JSON.parse(stdout) as { stopped: string[]; deleted: boolean };
  assert.deepEqual([stopped.sort(), deleted], [["aws", "postgres", "vault"], false]);
  assert.ok(existsSync(layout(home).vault.raft));
  const status = await keyplane(home, ["status", "--json"]);
  assert.deepEqual(states(status.stdout), {
    vault: "stopped",
    postgres: "stopped",
    issuer: "stopped",
    aws: "stopped",
  });
});

test("`down --delete` removes the state folder, and again is nothing to do", async () => {
  const run = await keyplane(home, ["down", "--delete"]);
  assert.deepEqual([run.code, run.stdout], [0, `Nothing was running. Removed ${home}.\n`], run.stderr);
  assert.equal(existsSync(home), false);
  assert.equal((await keyplane(home, ["down", "--delete"])).code, 0);
});

function states(json: string): Record<string, string> {
  const { services: all }: { services: { name: string; state: string }[] } = JSON.parse(json);
  return Object.fromEntries(all.map(({ name, state }) => [name, state]));
}
