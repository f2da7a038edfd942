import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { findTool } from "../../local/toolchain/index.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Model } from "../../model/model.ts";
import { freePort } from "../free-port.ts";
import { makePlatform, startTestVault, type TestVault } from "../operations/vault.ts";
import { keyplane, type Run } from "./command.ts";

// The command as CI runs it for staging: the real catalogue with this Vault's address, GitHub's token service
// played by a local server, and a Vault role that is bound to the workflow.

let server: TestVault;
let gitHub: Server;
let folder: string;
let catalogue: string;
let model: Model;
let env: Record<string, string>;

before(async () => {
  server = await startTestVault();
  folder = await mkdtemp(join(tmpdir(), "keyplane-cli-"));
  catalogue = join(folder, "catalogue");
  await cp("catalogue", catalogue, { recursive: true });
  const file = join(catalogue, "organization.yaml");
  const text = await readFile(file, "utf8");
  // Error rates are watched for minutes in a real environment.
  const quick = text.replace("\n  staging:\n", "\n  staging:\n    rotation: { watch: 1s }\n");
  await writeFile(file, quick.replace("https://vault.staging.acme.example", server.address));
  model = derive(await loadCatalogue(catalogue), "staging");
  assert.equal(model.vault.address, server.address);
  const sign = await makePlatform(server, model);
  gitHub = createServer(async (request, response) => {
    const workflow = new URL(request.url ?? "", "http://127.0.0.1").pathname.slice(1);
    response.end(JSON.stringify({ value: await sign(workflow) }));
  });
  await new Promise<void>((resolve) => gitHub.listen(0, "127.0.0.1", resolve));
  const address = gitHub.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  env = {
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "job-token",
    VAULT_CACERT: server.caFile,
  };
});
after(async () => {
  gitHub.closeAllConnections();
  await new Promise((resolve) => gitHub.close(resolve));
  await rm(folder, { recursive: true });
  await server.stop();
});

function staging(args: string[], input?: string, more: Record<string, string> = {}): Promise<Run> {
  const workflow = args[0] === "enrol" ? "enrol.yml" : "rotate.yml";
  const url = `${env.ACTIONS_ID_TOKEN_REQUEST_URL}${workflow}`;
  return keyplane([...args, "--environment", "staging", "--catalogue", catalogue], {
    env: { ...env, ACTIONS_ID_TOKEN_REQUEST_URL: url, ...more },
    ...(input !== undefined && { input }),
  });
}

async function stored(path: string): Promise<Record<string, string> | undefined> {
  return (await server.root.read<{ data: Record<string, string> }>(`kv/data/${path}`))?.data;
}

/** Nothing of a value in what the command said. */
function assertSilent({ stdout, stderr }: Run, ...values: string[]): void {
  for (const value of values) assert.ok(!`${stdout}${stderr}`.includes(value), "a value was printed");
}

const strong = () => randomBytes(24).toString("base64url");

test("set writes the value on standard input to the source and to each consumer, and prints none of it", async () => {
  const value = strong();
  const run = await staging(["set", "titan/gemini"], `${value}\n`);
  assert.equal(run.code, 0, run.stderr);
  assert.equal(run.stdout, "titan/gemini: version 1, delivered to titan/titan-ai-quant.\n");
  assertSilent(run, value);
  assert.deepEqual(await stored("source/titan/gemini"), { key: value });
  assert.deepEqual(await stored("services/titan/titan-ai-quant/gemini"), { key: value });
});

test("set says in its metadata which role wrote it", async () => {
  await staging(["set", "rec-io/coinbase"], strong());
  const metadata = await server.root.read<{ custom_metadata: Record<string, string> }>(
    "kv/metadata/source/rec-io/coinbase",
  );
  assert.equal(metadata?.custom_metadata.by, "keyplane.rotate");
});

test("set takes several fields as one JSON object, and --json answers with one document without them", async () => {
  const fields = { key: strong(), secret: strong() };
  const run = await staging(["set", "titan/bybit", "--json"], JSON.stringify(fields));
  assert.equal(run.code, 0, run.stderr);
  assertSilent(run, fields.key, fields.secret);
  assert.deepEqual(JSON.parse(run.stdout), {
    secret: "titan/bybit",
    fields: ["key", "secret"],
    paths: [
      "source/titan/bybit",
      "services/titan/titan-ai-quant/bybit",
      "services/titan/titan-execution-rs/bybit",
    ],
    version: 1,
    unchanged: false,
    delivered: ["titan/titan-ai-quant", "titan/titan-execution-rs"],
    pending: [],
  });
  assert.deepEqual(await stored("source/titan/bybit"), fields);
});

test("set --field changes that field only", async () => {
  const [first, next] = [{ key: strong(), secret: strong() }, strong()];
  await staging(["set", "titan/binance"], JSON.stringify(first));
  const run = await staging(["set", "titan/binance", "--field", "secret"], next);
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(await stored("source/titan/binance"), { key: first.key, secret: next });
});

test("set --rotate brings the next value of what a person makes as a rotation, and prints none of it", async () => {
  const [first, next] = [
    { address: strong(), "private-key": strong() },
    { address: strong(), "private-key": strong() },
  ];
  await staging(["set", "trading-bot/wallet"], JSON.stringify(first));
  const run = await staging(["set", "trading-bot/wallet", "--rotate"], JSON.stringify(next));
  assert.equal(run.code, 0, run.stderr);
  assert.match(
    run.stdout,
    /^trading-bot\/wallet: observe-signers: nobody sees what trading-bot\/bot runs: it has until .*; a later `keyplane rotate --due` goes on\.$/m,
  );
  assertSilent(run, ...Object.values(first), ...Object.values(next));
  assert.deepEqual(await stored("services/trading-bot/bot/wallet"), next);
});

test("set --rotate is for what a person makes", async () => {
  const run = await staging(["set", "titan/hmac", "--rotate"], strong());
  assert.equal(run.code, 2);
  assert.match(
    run.stderr,
    /titan\/hmac is not made by a person: `keyplane rotate titan\/hmac` makes its next value/,
  );
});

test("set keeps a file as it is, line break included", async () => {
  const content = '{"type": "service_account", "id": 1}\n';
  const run = await staging(["set", "rec-io/kalshi-credentials"], content);
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(await stored("source/rec-io/kalshi-credentials"), { content });
});

test("set again with the same value changes nothing and says so", async () => {
  const value = strong();
  await staging(["set", "soma/openai"], value);
  const run = await staging(["set", "soma/openai"], value);
  assert.deepEqual([run.code, run.stdout], [0, "soma/openai: unchanged, version 1.\n"]);
});

test("set leaves no token behind (R13)", async () => {
  const count = async () => (await server.root.list("auth/token/accessors")).length;
  const before = await count();
  assert.equal((await staging(["set", "solo/openai"], strong())).code, 0);
  assert.equal((await staging(["set", "solo/openai"], "weak")).code, 2);
  assert.equal(await count(), before);
});

test("set --dry-run says what would be written, in order, and reaches no Vault", async () => {
  const run = await staging(["set", "titan/hmac", "--dry-run"], undefined, {
    ACTIONS_ID_TOKEN_REQUEST_URL: "http://127.0.0.1:9/",
  });
  assert.deepEqual([run.code, run.stderr], [0, ""]);
  assert.equal(
    run.stdout,
    [
      "Would write a new version of titan/hmac, in this order:",
      "  source/titan/hmac",
      "  services/titan/titan-execution-rs/hmac",
      "  services/titan/titan-sentinel/hmac",
      "  services/titan/titan-brain/hmac",
      "",
    ].join("\n"),
  );
  assert.equal(await stored("source/titan/hmac"), undefined);
});

test("set --dry-run says what it does to people (R49)", async () => {
  assert.match((await staging(["set", "solo/secret-key", "--dry-run"])).stdout, /\nImpact: /);
});

test("set refuses a weak value with exit 2, and neither writes nor prints it", async () => {
  const run = await staging(["set", "trading-bot/exchange"], '{"key": "hunter2", "secret": "hunter2"}');
  assert.equal(run.code, 2);
  assert.match(run.stderr, /trading-bot\/exchange, field key: is too weak/);
  assertSilent(run, "hunter2");
  assert.equal(await stored("source/trading-bot/exchange"), undefined);
});

test("set refuses malformed JSON with exit 2 and does not quote it", async () => {
  const run = await staging(["set", "titan/binance"], '{"key": "hunter2hunter2hunter2');
  assert.equal(run.code, 2);
  assertSilent(run, "hunter2");
});

test("set refuses a name that the catalogue does not have with exit 2", async () => {
  const run = await staging(["set", "titan/hmca", "--json"], strong());
  assert.equal(run.code, 2);
  assert.equal(JSON.parse(run.stdout).error.name, "UnknownNameError");
});

test("set refuses an environment that the catalogue does not have with exit 2", async () => {
  const run = await keyplane(["set", "titan/hmac", "--environment", "stagign"], { input: strong() });
  assert.equal(run.code, 2);
  assert.match(run.stderr, /it has local, production, staging/);
});

test("set exits 3 when Vault cannot be reached, and says which", async () => {
  const other = join(folder, "unreachable");
  await mkdir(other);
  await cp(catalogue, join(other, "catalogue"), { recursive: true });
  const file = join(other, "catalogue/organization.yaml");
  const address = `https://127.0.0.1:${await freePort()}`;
  await writeFile(file, (await readFile(file, "utf8")).replace(server.address, address));
  const value = strong();
  const run = await keyplane(
    ["set", "titan/gemini", "--environment", "staging", "--catalogue", join(other, "catalogue")],
    {
      env: { VAULT_TOKEN: server.rootToken },
      input: value,
    },
  );
  assert.equal(run.code, 3);
  assert.ok(run.stderr.includes(address), run.stderr);
  assertSilent(run, value, server.rootToken);
});

test("set exits 3 without a way to log in, and says the ways", async () => {
  const run = await keyplane(["set", "titan/gemini", "--environment", "staging", "--catalogue", catalogue], {
    input: strong(),
  });
  assert.equal(run.code, 3);
  assert.match(run.stderr, /VAULT_TOKEN/);
});

test("set refuses a token that may not write with exit 2", async () => {
  const { auth } = await server.root.write("auth/token/create", { policies: ["default"] });
  const token = auth?.client_token ?? "";
  const value = strong();
  const run = await keyplane(["set", "titan/gemini", "--environment", "staging", "--catalogue", catalogue], {
    env: { VAULT_TOKEN: token, VAULT_CACERT: server.caFile },
    input: value,
  });
  assert.equal(run.code, 2, run.stderr);
  assert.match(run.stderr, /403/);
  assertSilent(run, value, token);
});

test("set in the local environment exits 3 while its stack is down, and says how to start it", async () => {
  const run = await keyplane(["set", "titan/gemini", "--catalogue", catalogue], {
    env: { KEYPLANE_HOME: join(folder, "no-home") },
    input: strong(),
  });
  assert.equal(run.code, 3, run.stderr);
  assert.match(run.stderr, /keyplane up/);
});

test("enrol prints one token; opening it on standard input gives the second factor, once", async () => {
  const made = await staging(["enrol", "ada", "--json"]);
  assert.equal(made.code, 0, made.stderr);
  const { person, email, token, ttl } = JSON.parse(made.stdout);
  assert.deepEqual([person, email, ttl], ["ada", "ada@acme.example", 900]);
  const opened = await staging(["enrol", "--unwrap", "--json"], `${token}\n`);
  assert.equal(opened.code, 0, opened.stderr);
  const handover = JSON.parse(opened.stdout);
  assert.equal(handover.username, "ada");
  assert.match(handover.totp, /^otpauth:\/\/totp\/Keyplane%20acme:ada\?/);
  assertSilent(made, handover.totp, new URL(handover.totp).searchParams.get("secret") ?? "");
  const again = await staging(["enrol", "--unwrap"], `${token}\n`);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /does not open/);
  assertSilent(again, token);
});

test("in a job, whose log many read, enrol prints the token encrypted to the person's age key alone", async () => {
  const [age, keygen] = [await findTool("age", () => {}), await findTool("age-keygen", () => {})];
  const key = join(folder, "fay.txt");
  const { stderr: said } = await promisify(execFile)(keygen, ["-o", key]);
  const [recipient = ""] = /age1\w+/.exec(said) ?? [];
  const file = join(catalogue, "organization.yaml");
  const before = await readFile(file, "utf8");
  const fays = model.recipients.find(({ person }) => person === "fay")?.age ?? "nobody's";
  await writeFile(file, before.replace(fays, recipient));

  const made = await staging(["enrol", "fay"], undefined, { GITHUB_ACTIONS: "true" });

  await writeFile(file, before);
  assert.equal(made.code, 0, made.stderr);
  assert.doesNotMatch(made.stdout + made.stderr, /hvs\./);
  const [sealed = ""] = /-----BEGIN AGE[\s\S]*END AGE ENCRYPTED FILE-----/.exec(made.stdout) ?? [];
  await writeFile(join(folder, "token.age"), `${sealed}\n`);
  const { stdout: token } = await promisify(execFile)(age, ["-d", "-i", key, join(folder, "token.age")]);
  const opened = await staging(["enrol", "--unwrap", "--json"], token);
  assert.equal(JSON.parse(opened.stdout).username, "fay", opened.stderr);
});

test("in a job, enrol makes nothing for a person without an age key", async () => {
  const refused = await staging(["enrol", "hana"], undefined, { GITHUB_ACTIONS: "true" });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /hana has no age recipient.*add `age:` to people\.hana in the catalogue/);
  assert.equal((await staging(["enrol", "hana"])).code, 0);
});

test("enrol tells a person who hands over how it is opened", async () => {
  const { code, stdout } = await staging(["enrol", "ben"]);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /Hand this to ben <ben@acme\.example>; it opens once, within 15 minutes:\n\n {2}hvs\./,
  );
  assert.match(stdout, /npx keyplane enrol --unwrap --environment staging/);
});

test("enrol refuses someone who is enrolled, unless again is asked for", async () => {
  assert.equal((await staging(["enrol", "cleo"])).code, 0);
  const refused = await staging(["enrol", "cleo"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /keyplane enrol cleo --again/);
  assert.equal((await staging(["enrol", "cleo", "--again"])).code, 0);
});

test("enrol refuses who is not in the catalogue with exit 2 (R59)", async () => {
  const run = await staging(["enrol", "mallory"]);
  assert.equal(run.code, 2);
  assert.match(run.stderr, /no such person/);
});

test("enrol --dry-run makes nothing", async () => {
  const run = await staging(["enrol", "dan", "--dry-run"]);
  assert.deepEqual([run.code, run.stdout], [0, "Would make a second factor for dan <dan@acme.example>.\n"]);
  assert.equal((await staging(["enrol", "dan"])).code, 0);
});

test("enrol --unwrap --dry-run is refused, and the token still opens afterwards", async () => {
  const made = await staging(["enrol", "ada", "--again", "--json"]);
  const { token } = JSON.parse(made.stdout);
  const refused = await staging(["enrol", "--unwrap", "--dry-run"], `${token}\n`);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /--dry-run/);
  assertSilent(refused, token);
  const opened = await staging(["enrol", "--unwrap", "--json"], `${token}\n`);
  assert.equal(opened.code, 0, opened.stderr);
  assert.equal(JSON.parse(opened.stdout).username, "ada");
});

test("enrol --unwrap refuses what is no wrapping token, and does not repeat it", async () => {
  const run = await staging(["enrol", "--unwrap"], "hunter2hunter2");
  assert.equal(run.code, 2);
  assertSilent(run, "hunter2");
});
