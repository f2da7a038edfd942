import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Vault } from "../../clients/vault.ts";
import { loginAs } from "../../local/identity.ts";
import { connectServices, environmentOf, startServices, stopServices } from "../../local/services/index.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { bundleOf } from "../../operations/delivery/bundle.ts";
import { filesOf, rivalNames } from "../../operations/delivery/neighbours.ts";
import { sinksOf } from "../../operations/delivery/sinks.ts";
import { givenFields } from "../../operations/values/shape.ts";
import { useFunctions } from "./support/canary-aws.ts";
import { patterns } from "./support/canary-patterns.ts";
import { rotateEverything } from "./support/canary-rotations.ts";
import {
  type Canary,
  CanarySearch,
  type Finding,
  file,
  filesBelow,
  type Place,
  Sampler,
} from "./support/canary-search.ts";
import { statesOf } from "./support/converged.ts";
import { asRoot, asService, composeUser, issue, query, type Running } from "./support/credentials.ts";
import { keyplane } from "./support/keyplane.ts";

/** Planted and found values. Add to it whatever a new command takes, makes or hands over. */
const canaries: Canary[] = [];
/** Where they are looked for. Add a place when something new is written. */
const places: { name: string; content: () => AsyncIterable<Place> }[] = [
  { name: "the state folder", content: () => filesBelow(home, "home") },
  { name: "the engine's state, decrypted", content: decryptedState },
  { name: "the user's home folder", content: () => filesBelow(userHome, "user home") },
  { name: "temporary files that stayed", content: () => filesBelow(temporary, "temporary files") },
  { name: "what services' hosts are delivered", content: () => filesBelow(hosts, "hosts") },
  { name: "what was seen while the commands ran", content: () => streamOf(sampled) },
  { name: "the commands' output", content: () => streamOf(outputs) },
  { name: "the repository", content: repository },
];

const outputs: Place[] = [];
let sampled: Place[] = [];
let folder: string;
let home: string;
let userHome: string;
let temporary: string;
/** What stands for the roots of the services' hosts. */
let hosts: string;
/** Where on a host a value is meant to be, with the whole text that is meant to be there. */
const meant: { place: string; text: string }[] = [];
let running: Running;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-canary-"));
  [home, userHome, temporary] = [join(folder, "home"), join(folder, "user"), join(folder, "tmp")];
  hosts = join(folder, "hosts");
  for (const each of [userHome, temporary, hosts]) await mkdir(each);
  // Postgres logs every statement from its first start on.
  const services = await startServices(home, {
    report: () => {},
    postgresSettings: { log_statement: "all" },
  });
  const stored = await keysOf(services.vault.unsealKeysFile);
  const sampler = new Sampler([{ folder: temporary, label: "temporary files" }]);
  sampler.start();
  try {
    await useEverything();
  } finally {
    sampled = await sampler.stop();
  }
  add("Vault's root token", stored.rootToken ?? "");
  // For one machine only: the unseal key lies beside what it opens, and says so when it is made.
  for (const key of stored.unsealKeys) add("Vault's unseal key", key, /^home\/vault\/keys\.json$/);
  await addFoundValues();
  for (const canary of canaries) allowWhereMeant(canary);
});
after(async () => {
  await running?.vault.close();
  await stopServices(home, { deleteData: true, report: () => {} });
  await rm(folder, { recursive: true, force: true });
});

for (const place of places) {
  test(`no value is found in ${place.name} (R54)`, async () => {
    assert.ok(canaries.length > 60, `${canaries.length} canaries are known`);
    assert.deepEqual(await searchIn(place.content()), []);
  });
}

test("the places are the real ones: a value that is put there is found", async () => {
  const value = `canary-planted-${randomBytes(12).toString("hex")}`;
  canaries.push({ name: "planted leak", value });
  const places = async () => new Set((await searchIn(everywhere())).map(({ place }) => place));
  assert.deepEqual(await places(), new Set());

  // Since `down` and `up` Postgres has logged what it logs by default, which are statements that fail.
  await assert.rejects(query(running, `select '${value}' from nowhere`));
  await assert.rejects(running.vault.request("GET", `sys/internal/ui/mounts/${value}`));
  outputs.push({ name: "output of a command", content: Buffer.from(`error: ${JSON.stringify(value)}`) });
  await writeFile(
    join(hosts, "rec-io/opt/rec_io/credentials/.keyplane.json"),
    JSON.stringify({ version: value }),
  );
  sampled.push({ name: "process arguments of node", content: Buffer.from(`node\0--token=${value}`) });
  const found = await places();
  for (const place of [
    "home/logs/postgres.log",
    "home/audit/first/audit.log",
    "home/audit/second/audit.log",
    "output of a command",
    "process arguments of node",
    "hosts/rec-io/opt/rec_io/credentials/.keyplane.json",
  ]) {
    assert.ok(found.has(place), `${place} is searched; found in ${[...found].join(", ")}`);
  }
});

test("what was searched is what there is: state, backups, logs, audit, arguments, output", async () => {
  const names: string[] = [];
  for await (const { name } of everywhere()) names.push(name);
  for (const expected of [
    /^home\/pulumi\/backend\/\.pulumi\/stacks\/.+\.json/,
    /^home\/pulumi\/backend\/\.pulumi\/(history|backups)\//,
    /^home\/logs\/vault\.log$/,
    /^home\/logs\/postgres\.log$/,
    /^home\/logs\/issuer\.log$/,
    /^home\/audit\/second\/audit\.log$/,
    /^home\/vault\/raft\//,
    /^home\/postgres\/data\//,
    /^process arguments of pulumi$/,
    /^process arguments of vault$/,
    /^process environment/,
    /^output of keyplane up/,
    /^output of keyplane rotate, killed/,
    /^output of keyplane run$/,
    /^output of keyplane rotations --json/,
    /^output of log of keyplane-local-rotate-due$/,
    /^output of log of keyplane-local-rotate-postgres-titan-ledger$/,
    /^output of events of CloudTrail$/,
    /^output of messages that were put aside$/,
    /^the emulator's files\/tmp\/.*index\.mjs$/,
    /^home\/logs\/aws\.log$/,
    /^repository\/package\.json$/,
    /^decrypted state of /,
    /^hosts\/titan\/secrets\/grafana_admin_password$/,
    /^hosts\/titan\/secrets\/titan-brain\/titan_hmac_secret$/,
    /^hosts\/soma\/\.env$/,
    /^hosts\/rec-io\/opt\/rec_io\/env_files\/local\.env$/,
    /^hosts\/.*\.keyplane\.json$/,
  ]) {
    assert.ok(
      names.some((name) => expected.test(name)),
      String(expected),
    );
  }
});

/** Plants what people give and runs every command, as text and as JSON, rightly and wrongly. */
async function useEverything(): Promise<void> {
  await run("up");
  await run("up --dry-run --json");
  const services = await connectServices(home);
  const model = derive(await loadCatalogue("catalogue"), "local", environmentOf(services));
  running = {
    services,
    model,
    vault: new Vault({ address: services.vault.address, ca: services.vault.ca }),
  };

  for (const [index, secret] of model.secrets.entries()) {
    if (secret.generator.by === "machine" || secret.databaseUser !== undefined) continue;
    const fields = givenFields(secret);
    // What an env-file carries has one kind of quote at most.
    const variables = secret.consumers.flatMap(({ as }) => Object.keys(as));
    const inEnvFile = secret.kind === "api-key" && variables.some((variable) => !variable.endsWith("_FILE"));
    const values = Object.fromEntries(
      fields.map((field) => [field, plant(`${secret.id} ${field}`, inEnvFile ? "variable" : secret.kind)]),
    );
    const [only = ""] = Object.values(values);
    const input = fields.length === 1 ? only : JSON.stringify(values);
    await run(`set ${secret.id}${index % 2 === 0 ? " --json" : ""}`, { input });
    if (index % 3 === 0) await run(`set ${secret.id}`, { input });
  }
  // Wrong, each in its way: the value is refused, and not repeated.
  const wrong = (what: string) => plant(`a value ${what}`, "api-key");
  await run("set titan/binance", { input: wrong("that is no JSON"), code: 2 });
  await run("set titan/binance", { input: JSON.stringify({ nothing: wrong("of no field") }), code: 2 });
  await run("set titan/gemini", { input: `${wrong("with a line break")}\nand more`, code: 2 });
  await run("set titan/gemini --json", { input: ` ${wrong("with blanks")} `, code: 2 });
  await run("set solo/secret-key", { input: `${wrong("with NUL")}\0`, code: 2 });
  await run("set titan/nothing --json", { input: wrong("of no secret"), code: 2 });
  await run("set titan/ledger-titan-brain", { input: wrong("of a database user"), code: 2 });
  await run("enrol --unwrap", { input: wrong("that is no token"), code: 2 });
  // Someone's mistake puts it into the arguments: that cannot be helped, what we print of it can.
  const argument = (what: string) => plant(`an argument ${what}`, "api-key", /^process arguments/);
  await run(["set", argument("for a name")], { code: 2 });
  await run(["set", "titan/gemini", argument("in excess"), "--json"], { code: 2 });
  await run(["set", "titan/gemini", `--value=${argument("of an option")}`], { code: 2 });
  await run(["set", "titan/gemini", "--field", argument("for a field")], { code: 2 });
  await run(["enrol", argument("for a person")], { code: 2 });
  await run([argument("for a command")], { code: 2 });

  const { stdout: enrolled } = await run("enrol ada --json");
  await handOver((JSON.parse(enrolled) as { token: string }).token, "");
  const { stdout: text } = await run("enrol ben");
  await handOver(/hv[sb]\.[A-Za-z0-9_-]+/.exec(text)?.[0] ?? "", "--json");

  // A log that has a token, and one that has a password: both are found and neither is repeated.
  const token = ["gh", "p_", randomBytes(18).toString("hex")].join("");
  add("a token in a log", token);
  const logged = `api-1 | sent ${token}\napi-1 | DB_PASSWORD='${plant("a password in a log", "variable")}'\n`;
  await run("scan -", { input: logged, code: 1 });
  await run("scan - --json --annotate", { input: logged, code: 1 });

  for (const command of [
    "status",
    "status --json",
    "validate",
    "validate --json",
    "sops config --json",
    "--help",
    "up --help",
  ]) {
    await run(command);
  }

  await deliverEverything();
  await runService();
  await rotateEverything({
    ...{ home, environment: environment(), run, plant, capture: addVaultsValues, read: heldBy },
    said: (name, { stdout, stderr }) => void outputs.push(output(name, `${stdout}\n${stderr}`)),
  });

  assert.ok(model.aws);
  await useFunctions({
    place: services.aws,
    account: model.aws,
    add,
    said: (where, text) => void outputs.push(output(where, text)),
  });
  // While the functions are still there: `down` removes what the emulator wrote for them.
  for await (const place of filesBelow(join(home, "aws"), "the emulator's files")) outputs.push(place);

  const { user } = composeUser(model);
  const service = await asService(running, user.service);
  add("a service's token", service.token ?? "");
  for (let i = 0; i < 3; i++) {
    const { password, lease } = await issue(service, model, user.role);
    add(`database password ${i}`, password);
    await service.write("sys/leases/renew", { lease_id: lease, increment: 60 });
  }
  await run("down");
  await run("up --json");
}

/** Every service's files and env-files, as a rotation brings them to its host. */
async function deliverEverything(): Promise<void> {
  const { model } = running;
  const { vault, end } = await loginAs(running.services, model, running.vault, "rotate");
  for (const service of model.services) {
    if (service.runsOn !== "compose" && service.runsOn !== "supervisor") continue;
    // Their users are not this machine's.
    const here = { ...service, user: process.geteuid?.() ?? 0 };
    const bundle = { ...(await bundleOf(vault, model, service.id)), service: here };
    const services = model.services.map((other) => ({ ...other, user: here.user }));
    // A host of its own for each system, each with its own project.
    const options = { root: join(hosts, service.system), runs: join(home, "run") };
    const there = { services, secrets: model.secrets };
    for (const sink of sinksOf(there, here, options)) await sink.write(bundle);
    const at = (...path: string[]) => join("hosts", service.system, ...path);
    const delivery = service.deliver.find((one) => "folder" in one);
    const isOwn = delivery !== undefined && rivalNames(there, here, delivery, filesOf).length > 0;
    const folder = delivery && join(delivery.folder, isOwn ? service.name : "");
    for (const [name, text] of Object.entries(bundle.files)) {
      meant.push({ place: at(folder ?? "", name), text });
    }
    const envFile = service.deliver.find((one) => one.to === "env-file")?.path;
    const place = envFile ?? join(folder ?? "", `${service.name}.env`);
    meant.push({ place: at(place), text: Object.values(bundle.variables).join("\n") });
  }
  await end();
}

/** A service with what it is delivered, and what is refused. */
async function runService(): Promise<void> {
  const script = "console.log(process.env.GF_SECURITY_ADMIN_PASSWORD__FILE); setTimeout(() => {}, 1500)";
  const { stdout } = await run(["run", "titan/grafana", "--", process.execPath, "-e", script]);
  const path = stdout.trim();
  assert.match(path, /grafana_admin_password$/);
  await assert.rejects(stat(dirname(path)), { code: "ENOENT" });
  await run("run titan/grafana --dry-run --json");
  await run(["run", "titan/grafana", "--", process.execPath, "-e", "process.exit(9)"], { code: 9 });
  await run(["run", plant("an argument for a service", "api-key", /^process arguments/), "--", "true"], {
    code: 2,
  });
}

/** A value may lie on a host exactly where a service is delivered it: also inside an assembled one. */
function allowWhereMeant(canary: Canary): void {
  if (canary.allowed !== undefined) return;
  const places = meant
    .filter(({ text }) =>
      [canary.value, encodeURIComponent(canary.value)].some((form) => text.includes(form)),
    )
    .map(({ place }) => place.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  if (places.length > 0) canary.allowed = new RegExp(`^(${places.join("|")})$`);
}

/** Opens a wrapping token as the person does, who alone is shown what is in it. */
async function handOver(token: string, option: string): Promise<void> {
  add("a wrapping token", token, /^output of keyplane enrol (ada|ben)/);
  const { stdout } = await run(`enrol --unwrap ${option}`.trim(), { input: token });
  const shown = /^output of keyplane enrol --unwrap/;
  const secret = /secret=([A-Z2-7]+)/.exec(stdout)?.[1] ?? "";
  add("a second factor", secret, shown);
  const password = /password["\s:]+([A-Za-z0-9_-]{20,})/.exec(stdout)?.[1] ?? "";
  add("a person's password", password, shown);
}

async function heldBy(consumer: string, secret: string): Promise<unknown> {
  const { root, end } = await asRoot(running);
  const found = running.model.secrets.find(({ id }) => id === secret);
  const path = found?.consumers.find(({ id }) => id === consumer)?.path;
  const read = await root.read<{ data: unknown }>(`${running.model.vault.mounts.kv}/data/${path}`);
  await end();
  return read?.data;
}

/** What Vault's sources and consumers' paths hold now. */
async function addVaultsValues(): Promise<void> {
  const { root, end } = await asRoot(running);
  const { model } = running;
  const kv = model.vault.mounts.kv;
  for (const { id, source, consumers } of model.secrets) {
    for (const path of [source, ...consumers.map((consumer) => consumer.path)]) {
      const found = await root.read<{ data: Record<string, string> }>(`${kv}/data/${path}`);
      for (const [field, value] of Object.entries(found?.data ?? {})) {
        // Names, which are no secrets.
        if (field === "user" || field === "given-in" || field.endsWith("-id")) continue;
        add(`${id} ${field}`, value);
      }
    }
  }
  await end();
}

/** What was made by machine while everything ran: read where it lies. */
async function addFoundValues(): Promise<void> {
  await addVaultsValues();
  const { services } = running;
  for (const [name, path] of [
    ["Postgres' superuser", services.postgres.passwordFile],
    ["the engine's passphrase", join(home, "pulumi", "passphrase")],
  ] as const) {
    const own = path.slice(home.length);
    add(name, (await readFile(path, "utf8")).trim(), new RegExp(`^home${own.replaceAll(".", "\\.")}$`));
  }
  const issuer = JSON.parse(await readFile(join(home, "issuer", "key.json"), "utf8")) as { d: string };
  add("the issuer's private key", issuer.d, /^home\/issuer\/key\.json$/);
  for (const { resources } of await statesOf(home, running)) {
    for (const { inputs } of resources) {
      const { password } = (inputs?.postgresql ?? {}) as { password?: { plaintext: string } };
      // Dead since the first update, as crash.test.ts proves; and encrypted where it lies.
      if (password !== undefined) {
        add("a bootstrap password", JSON.parse(password.plaintext) as string, /^decrypted state of /);
      }
    }
  }
}

function plant(name: string, kind: string, allowed?: RegExp): string {
  const random = randomBytes(9).toString("hex");
  const value =
    kind === "webhook"
      ? `https://hooks.example.com/services/Canary/${random}`
      : kind === "file"
        ? `canary file ${random}\nsecond line: "quoted" <&> é\n`
        : kind === "variable"
          ? `canary-${random}-Q"2\\k$<&>%+/=é`
          : `canary-${random}-Q"2\\k'<&>%+/=é`;
  add(name, value.trim(), allowed);
  return value;
}

function add(name: string, value: string, allowed?: RegExp): void {
  assert.ok(value.length >= 8, `${name} is known`);
  const known = canaries.find((canary) => canary.value === value);
  if (known !== undefined) return;
  canaries.push({ name, value, ...(allowed !== undefined && { allowed }) });
}

function environment(): Record<string, string> {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return { HOME: userHome, TMPDIR: temporary, XDG_CACHE_HOME: cache };
}

async function run(
  command: string | string[],
  { input = "", code = 0 }: { input?: string; code?: number } = {},
): Promise<{ stdout: string; stderr: string }> {
  const words = typeof command === "string" ? command.split(" ") : command;
  const done = await keyplane(home, words, { input, environment: environment() });
  const name = typeof command === "string" ? command : "with a wrong argument";
  outputs.push(output(`keyplane ${name}`, `${done.stdout}\n${done.stderr}`));
  assert.equal(done.code, code, `keyplane ${name}: ${done.stderr}`);
  return done;
}

function output(name: string, text: string): Place {
  return { name: `output of ${name}`, content: Buffer.from(text) };
}

async function searchIn(content: AsyncIterable<Place>): Promise<Finding[]> {
  const handedOver = patterns.map((pattern) =>
    pattern.name === "Vault token"
      ? { ...pattern, allowed: /^output of keyplane enrol (ada|ben)/ }
      : pattern.name === "second factor"
        ? { ...pattern, allowed: /^output of keyplane enrol --unwrap/ }
        : pattern.name === "address with a password"
          ? { ...pattern, allowed: /^hosts\/(soma|solo)\/\.env(\.worker)?$/ }
          : pattern,
  );
  const search = new CanarySearch(canaries, handedOver);
  // Sources and tests speak of credentials' forms; only values count there.
  const valuesOnly = new CanarySearch(canaries);
  const findings: Finding[] = [];
  for await (const place of content) {
    const foreign = /^(repository|process environment|process arguments)/.test(place.name);
    findings.push(...(foreign ? valuesOnly : search).in(place));
  }
  return findings;
}

async function* everywhere(): AsyncGenerator<Place> {
  for (const { content } of places) yield* content();
}

async function* streamOf(list: Place[]): AsyncGenerator<Place> {
  yield* list;
}

async function* decryptedState(): AsyncGenerator<Place> {
  for (const [index, state] of (await statesOf(home, running)).entries()) {
    yield { name: `decrypted state of stack ${index}`, content: Buffer.from(JSON.stringify(state)) };
  }
}

async function* repository(): AsyncGenerator<Place> {
  const list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  const { stdout } = await promisify(execFile)("git", list, { maxBuffer: 1 << 26 });
  for (const path of stdout.split("\0").filter((name) => name !== ""))
    yield* file(path, `repository/${path}`);
}

async function keysOf(path: string): Promise<{ unsealKeys: string[]; rootToken?: string }> {
  return JSON.parse(await readFile(path, "utf8"));
}
