import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { keyplane } from "./command.ts";

let root: string;
let catalogue: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "keyplane-files-"));
  catalogue = join(root, "catalogue");
});
after(() => rm(root, { recursive: true }));

async function fresh(): Promise<void> {
  for (const name of ["catalogue", "bootstrap", ".sops.yaml"]) {
    await rm(join(root, name), { recursive: true, force: true });
    await cp(name, join(root, name), { recursive: true });
  }
}

async function edited(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(join(root, file), "utf8");
  const next = change(text);
  assert.notEqual(next, text);
  await writeFile(join(root, file), next);
}

const validate = (...args: string[]) => keyplane(["validate", "--catalogue", catalogue, ...args]);

test("validate accepts the catalogue and the bootstrap files of this repository (R3, R4)", async () => {
  const { code, stdout, stderr } = await keyplane(["validate"]);
  assert.deepEqual([code, stderr], [0, ""], stderr);
  assert.match(
    stdout,
    /^catalogue: 5 systems, \d+ services, \d+ secrets in local, production, staging: valid\.\n/,
  );
  for (const environment of ["local", "production", "staging"]) {
    assert.ok(
      stdout.includes(
        `bootstrap/${environment}.enc.yaml: structure (no age key at hand to look at values): valid.\n`,
      ),
    );
  }
});

test("validate --json gives the same as one document", async () => {
  const { code, stdout } = await keyplane(["validate", "--json"]);
  assert.equal(code, 0);
  const { problems, environments, bootstrap } = JSON.parse(stdout);
  assert.deepEqual([problems, environments], [[], ["local", "production", "staging"]]);
  assert.deepEqual(bootstrap[0], { file: "bootstrap/local.enc.yaml", checked: "structure", lacks: [] });
});

test("validate prints every problem of every file as file:line:column, and exits 2", async () => {
  await fresh();
  await edited("catalogue/systems/titan.yaml", (text) =>
    text.replace("kind: hmac", "kind: hmca").replace("every: 30d", "every: 3 weekz"),
  );
  await edited("catalogue/systems/soma.yaml", (text) => text.replace(/^owner: .*$/m, "owner: nobody"));
  const { code, stdout, stderr } = await validate();
  assert.deepEqual([code, stdout], [2, ""]);
  const lines = stderr.trim().split("\n");
  assert.ok(lines.length >= 3, stderr);
  for (const line of lines) assert.match(line, /^\S+\/catalogue\/systems\/(titan|soma)\.yaml:\d+:\d+: /);
  assert.ok(
    lines.some((line) => line.includes("soma.yaml")) && lines.some((line) => line.includes("titan.yaml")),
  );
});

test("validate --json gives the problems as data, and exits 2", async () => {
  await fresh();
  await edited("catalogue/systems/titan.yaml", (text) => text.replace("kind: hmac", "kind: hmca"));
  const { code, stdout, stderr } = await validate("--json");
  assert.deepEqual([code, stderr], [2, ""]);
  const { error, exit } = JSON.parse(stdout);
  assert.deepEqual([error.name, exit], ["CatalogueError", 2]);
  const { line, column, message } = error.problems[0];
  assert.ok(line > 1 && column > 1 && message.length > 10);
});

test("validate refuses a secret among the settings, at its line, without repeating it (R3, R55)", async () => {
  for (const [setting, column] of [
    ['  BOT_NOTE: "ghp_0123456789abcdefghijABCDEFGHIJ012345"', 13],
    ['  BOT_URL: "postgresql://bot:hunter2@db.example/bot"', 12],
    ['  BOT_PASSWORD: "hunter2"', 3],
  ] as const) {
    await fresh();
    await edited("catalogue/systems/trading-bot.yaml", (text) =>
      text.replace(/^settings:$/m, `settings:\n${setting}`),
    );
    const line =
      (await readFile(join(catalogue, "systems/trading-bot.yaml"), "utf8")).split("\n").indexOf(setting) + 1;
    const { code, stderr } = await validate();
    assert.equal(code, 2);
    assert.match(
      stderr,
      new RegExp(`trading-bot\\.yaml:${line}:${column}: settings\\.BOT_.*declare it under secrets`),
    );
    assert.ok(!/ghp_|hunter2/.test(stderr));
  }
});

test("validate lets no control character of a file's name reach the terminal", async () => {
  await fresh();
  await writeFile(join(root, "bootstrap/\u001b[2Jx\n.yaml"), "");
  const { code, stderr } = await validate();
  assert.equal(code, 2);
  assert.match(stderr, /bootstrap\/\\x1b\[2Jx\\x0a\.yaml:1:1: belongs to no environment/);
  assert.ok(!stderr.includes("\u001b"));
});

test("validate refuses a bootstrap that names what the catalogue no longer has", async () => {
  await fresh();
  await edited("catalogue/systems/trading-bot.yaml", (text) =>
    text.replace(/EXCHANGE_API_KEY: key/, "EXCHANGE_KEY: key"),
  );
  const { code, stderr } = await validate();
  assert.equal(code, 2);
  assert.match(
    stderr,
    /bootstrap\/production\.enc\.yaml:\d+:\d+: services\.trading-bot\/bot\.secrets\.EXCHANGE_API_KEY: the catalogue gives/,
  );
});

test("validate accepts a catalogue that was added to, and says how the bootstrap follows", async () => {
  await fresh();
  await edited("catalogue/systems/trading-bot.yaml", (text) =>
    text.replace(/^settings:$/m, "settings:\n  BOT_NAME: rosie"),
  );
  const { code, stdout } = await validate();
  assert.equal(code, 0);
  assert.match(
    stdout,
    /It lacks .*services\.trading-bot\/bot\.defaults\.BOT_NAME.*: run `keyplane sops encrypt --all`/,
  );
});

test("sops config --check exits 1 when .sops.yaml is not what the catalogue's people make of it (R4)", async () => {
  await fresh();
  const check = () => keyplane(["sops", "config", "--check", "--catalogue", catalogue]);
  assert.deepEqual(await check(), { code: 0, stdout: ".sops.yaml: as it should be.\n", stderr: "" });
  await edited(".sops.yaml", (text) => text.replace(/ {6}- age1.*\n/, ""));
  const { code, stdout } = await check();
  assert.equal(code, 1);
  assert.match(stdout, /\.sops\.yaml:\d+:1: is not what the catalogue's people make of it/);
  await keyplane(["sops", "config", "--catalogue", catalogue]);
  assert.equal((await check()).code, 0);
});

test("sops config --dry-run writes nothing", async () => {
  await fresh();
  await rm(join(root, ".sops.yaml"));
  const { code, stdout } = await keyplane(["sops", "config", "--dry-run", "--catalogue", catalogue]);
  assert.equal(code, 0);
  assert.match(stdout, /is missing/);
  await assert.rejects(readFile(join(root, ".sops.yaml")));
});

test("sops encrypt makes what validate accepts, from a catalogue that has changed", async () => {
  await fresh();
  await edited("catalogue/systems/trading-bot.yaml", (text) =>
    text.replace(/EXCHANGE_API_KEY: key/, "EXCHANGE_KEY: key"),
  );
  const made = await keyplane(["sops", "encrypt", "--all", "--catalogue", catalogue]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(
    made.stdout,
    ["local", "production", "staging"].map((name) => `bootstrap/${name}.enc.yaml: written.\n`).join(""),
  );
  const { code, stderr } = await validate();
  assert.equal(code, 0, stderr);
});

test("sops encrypt refuses an environment that the catalogue does not have with exit 2", async () => {
  await fresh();
  const { code, stderr } = await keyplane([
    "sops",
    "encrypt",
    "--environment",
    "x",
    "--catalogue",
    catalogue,
  ]);
  assert.equal(code, 2);
  assert.match(stderr, /it has local, production, staging/);
});

test("database prints SQL for a DBA, which makes the manager and asks for its password, and no value", async () => {
  const args = ["database", "titan/ledger", "--environment", "production"];
  const { code, stdout, stderr } = await keyplane(args);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^BEGIN;\n/);
  assert.match(stdout, /CREATE ROLE "keyplane_titan__ledger" LOGIN NOCREATEROLE;/);
  assert.match(stdout, /COMMIT;\n\\password "keyplane_titan__ledger"\n$/);
  const document = JSON.parse((await keyplane([...args, "--json"])).stdout);
  assert.deepEqual(document, {
    database: "titan/ledger",
    manager: "keyplane_titan__ledger",
    sql: stdout,
  });
});

test("database refuses a name that the environment does not have and says which it has, with exit code 2", async () => {
  const { code, stderr } = await keyplane(["database", "titan/ledgr"]);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /local has no database of that name, which is system\/database; it has .*titan\/ledger/,
  );
});
