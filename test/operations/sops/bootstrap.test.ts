import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import type { Problem } from "../../../model/catalogue.ts";
import { ProblemsError } from "../../../operations/problem.ts";
import { encrypt } from "../../../operations/sops/binary.ts";
import { checkEncrypted } from "../../../operations/sops/check.ts";
import { contentOf, render } from "../../../operations/sops/content.ts";
import { checkBootstrapFiles, writeBootstrap, writeSopsConfig } from "../../../operations/sops/files.ts";
import { type Keys, makeKeys, placeOf } from "./age.ts";

let keys: Keys;
let path: string;
/** What was right; each test starts from it. */
const right = new Map<string, string>();

before(async () => {
  keys = await makeKeys();
  path = join(keys.root, "bootstrap/production.enc.yaml");
  await writeSopsConfig(keys.root, keys.models);
  for (const model of keys.models) {
    const file = await writeBootstrap(keys.root, keys.models, model, keys.sops);
    right.set(file, await readFile(join(keys.root, file), "utf8"));
  }
});
after(() => keys.remove());
beforeEach(async () => {
  await rm(join(keys.root, "bootstrap"), { recursive: true, force: true });
  await mkdir(join(keys.root, "bootstrap"));
  for (const [file, text] of right) await writeFile(join(keys.root, file), text);
});

/** As a fork sees it: no private key. */
const withoutKey = async () => (await checkBootstrapFiles(keys.root, keys.models)).problems;
const withKey = (person: "ada" | "ben" | "stranger" | "nobody" = "ada") =>
  keys.holding(person, () => checkBootstrapFiles(keys.root, keys.models, async () => keys.sops));

/** Encrypts for production, with the real sops, what someone wrote by hand. */
async function encrypted(change: (clear: string) => string): Promise<void> {
  const clear = change(render(contentOf(keys.model("production"))));
  const filename = "bootstrap/production.enc.yaml";
  await writeFile(
    path,
    await encrypt(keys.sops, { clear, directory: keys.root, config: ".sops.yaml", filename }),
  );
}

async function edited(change: (text: string) => string): Promise<void> {
  const text = await readFile(path, "utf8");
  const next = change(text);
  assert.notEqual(next, text);
  await writeFile(path, next);
}

/** The one problem, at the place of a text in the file. */
async function assertRefused(problems: Problem[], message: RegExp, at?: string): Promise<void> {
  assert.equal(problems.length, 1, JSON.stringify(problems, undefined, 1));
  assert.match(problems[0]?.message ?? "", message);
  const place = at === undefined ? { line: 1, column: 1 } : await placeOf(path, at);
  assert.deepEqual({ line: problems[0]?.line, column: problems[0]?.column }, place);
  assert.equal(problems[0]?.file, path);
}

const bot = "vault:kv/services/trading-bot/bot/exchange#key";

test("what sops made of the catalogue is valid: from outside for everyone, its values for key holders", async () => {
  assert.deepEqual(await checkBootstrapFiles(keys.root, keys.models), {
    problems: [],
    files: ["local", "production", "staging"].map((name) => ({
      file: join(keys.root, `bootstrap/${name}.enc.yaml`),
      checked: "structure",
      lacks: [],
    })),
  });
  const held = await withKey("ben");
  assert.deepEqual(held.problems, []);
  assert.deepEqual(
    held.files.map(({ checked }) => checked),
    ["values", "values", "values"],
  );
});

test("keys stay readable and every value is encrypted (R3)", () => {
  const text = right.get("bootstrap/production.enc.yaml") ?? "";
  const bootstrap = parse(text).services["trading-bot/bot"];
  assert.deepEqual(Object.keys(bootstrap), ["defaults", "toggles", "secrets"]);
  for (const section of Object.values(bootstrap) as Record<string, string>[]) {
    for (const value of Object.values(section)) assert.match(value, /^ENC\[AES256_GCM,data:/);
  }
  assert.ok(!text.includes("vault:kv/"));
});

test("where a secret is meant lies its reference, and a toggle is a boolean (R3)", async () => {
  const clear = parse(render(contentOf(keys.model("production"))));
  assert.equal(clear.services["trading-bot/bot"].secrets.EXCHANGE_API_KEY, bot);
  assert.equal(typeof clear.services["trading-bot/bot"].toggles.TRADING_ENABLED, "boolean");
});

test("a private key that is no recipient's sees no more than a fork", async () => {
  for (const person of ["stranger", "nobody"] as const) {
    const { files, problems } = await withKey(person);
    assert.deepEqual(problems, []);
    assert.ok(files.every(({ checked }) => checked === "structure"));
  }
});

test("a secret in the place of its reference is refused without any key, and never printed (R3)", async () => {
  const value = "mHn3wEYfP0aQ8Zt1xV5kC7dR2sJ6uB4g";
  await encrypted((clear) => clear.replace(bot, value));
  const problems = await withoutKey();
  await assertRefused(
    problems,
    /^services\.trading-bot\/bot\.secrets\.EXCHANGE_API_KEY: cannot be the reference vault:kv\/services\/trading-bot\/bot\/exchange#key: put the value into Vault with `keyplane set trading-bot\/exchange`/,
    "EXCHANGE_API_KEY:",
  );
  assert.ok(!JSON.stringify(problems).includes(value));
});

test("a secret as long as its reference is refused by whoever can decrypt, and never printed (R3)", async () => {
  const value = "x7Kq".repeat(20).slice(0, bot.length);
  await encrypted((clear) => clear.replace(bot, value));
  assert.deepEqual(await withoutKey(), []);
  const { problems } = await withKey();
  await assertRefused(problems, /EXCHANGE_API_KEY: is not the reference vault:kv/, "EXCHANGE_API_KEY:");
  assert.ok(!JSON.stringify(problems).includes(value));
});

test("a reference to another secret's path is refused by whoever can decrypt", async () => {
  const other = "vault:kv/services/trading-bot/ops/exchange#key";
  assert.equal(other.length, bot.length);
  await encrypted((clear) => clear.replace(bot, other));
  await assertRefused((await withKey()).problems, /is not the reference vault:kv/, "EXCHANGE_API_KEY:");
});

test("a reference may be pinned to a version (R36)", async () => {
  await encrypted((clear) => clear.replace(bot, `${bot}@12`));
  assert.deepEqual((await withKey()).problems, []);
});

for (const pin of ["@0", "@latest", "@12x", "@1234567"]) {
  test(`a reference is not pinned to ${pin}`, async () => {
    await encrypted((clear) => clear.replace(bot, `${bot}${pin}`));
    assert.equal((await withKey()).problems.length, 1);
  });
}

test("a default that is not the catalogue's is refused: by its length, or by whoever can decrypt", async () => {
  await encrypted((clear) => clear.replace("LOG_LEVEL: info", "LOG_LEVEL: verbose"));
  assert.match((await withoutKey())[0]?.message ?? "", /LOG_LEVEL: cannot be the catalogue's setting/);
  await encrypted((clear) => clear.replace("LOG_LEVEL: info", "LOG_LEVEL: warn"));
  assert.deepEqual(await withoutKey(), []);
  assert.match((await withKey()).problems[0]?.message ?? "", /LOG_LEVEL: is not the catalogue's setting/);
});

test("a toggle that is a text is refused without any key", async () => {
  await encrypted((clear) => clear.replace(/TRADING_ENABLED: (true|false)/, 'TRADING_ENABLED: "$1"'));
  await assertRefused(
    await withoutKey(),
    /TRADING_ENABLED: cannot be the catalogue's true or false/,
    "TRADING_ENABLED:",
  );
});

test("a secret's variable among the defaults is refused without any key", async () => {
  await encrypted((clear) =>
    clear
      .replace(/( +)secrets:\n +EXCHANGE_API_KEY: .*\n/, "$1secrets:\n")
      .replace(/( +)MAX_POSITION_SIZE/, "$1EXCHANGE_API_KEY: abc\n$1MAX_POSITION_SIZE"),
  );
  const [problem] = await withoutKey();
  assert.match(
    problem?.message ?? "",
    /defaults\.EXCHANGE_API_KEY: belongs under secrets: it must be the reference/,
  );
});

test("a variable that the catalogue does not have is refused, with what was probably meant", async () => {
  await encrypted((clear) => clear.replace("EXCHANGE_API_KEY", "EXCHANGE_API_KEI"));
  await assertRefused(
    await withoutKey(),
    /EXCHANGE_API_KEI: the catalogue gives trading-bot\/bot no such variable; did you mean EXCHANGE_API_KEY\?$/,
    "EXCHANGE_API_KEI:",
  );
});

test("what the catalogue has by now and the file lacks is named, and no reason to refuse it", async () => {
  await encrypted((clear) => clear.replace(/ +EXCHANGE_API_KEY: .*\n/, ""));
  const { files, problems } = await checkBootstrapFiles(keys.root, keys.models);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    files.map(({ lacks }) => lacks),
    [[], ["services.trading-bot/bot.secrets.EXCHANGE_API_KEY"], []],
  );
});

test("a service that the catalogue does not have is refused at its line", async () => {
  await encrypted((clear) => `${clear}  trading-bot/mailer:\n    secrets:\n      MAIL_PASSWORD: "${bot}"\n`);
  await assertRefused(
    await withoutKey(),
    /services\.trading-bot\/mailer\.secrets\.MAIL_PASSWORD: the catalogue gives no service of that name anything/,
    "MAIL_PASSWORD:",
  );
});

test("anything beside services is refused", async () => {
  await encrypted((clear) => `${clear}notes:\n  token: abcdef\n`);
  await assertRefused(await withoutKey(), /^notes: unknown; everything lies under "services"/, "notes:");
});

test("a section that does not exist is refused", async () => {
  await encrypted((clear) =>
    clear.replace("    toggles:\n      TRADING_ENABLED", "    flags:\n      TRADING_ENABLED"),
  );
  const [problem] = (await withoutKey()).filter(({ message }) => message.includes("flags"));
  assert.match(problem?.message ?? "", /flags: unknown; a service has defaults, toggles, secrets/);
});

test("a list where one value is meant is refused", async () => {
  await encrypted((clear) => clear.replace("LOG_LEVEL: info", "LOG_LEVEL: [info]"));
  const [problem] = (await withoutKey()).filter(({ message }) => message.includes("one plain value"));
  assert.match(problem?.message ?? "", /defaults\.LOG_LEVEL: must be one plain value/);
});

test("one value in clear among encrypted ones is refused at its line, and never printed", async () => {
  await edited((text) =>
    text.replace(/EXCHANGE_API_SECRET: ENC\[.*\]/, "EXCHANGE_API_SECRET: hunter2hunter2"),
  );
  const problems = await withoutKey();
  await assertRefused(problems, /EXCHANGE_API_SECRET: is not encrypted/, "EXCHANGE_API_SECRET:");
  assert.ok(!JSON.stringify(problems).includes("hunter2"));
});

test("a comment in clear is refused, for it may hold anything", async () => {
  await edited((text) => text.replace("services:\n", "services:\n    # the old key was abc\n"));
  await assertRefused(await withoutKey(), /comment in clear/, "# the old key");
});

test("a file that is not encrypted is refused", async () => {
  await writeFile(path, render(contentOf(keys.model("production"))));
  await assertRefused(await withoutKey(), /^is not encrypted/);
});

test("a file for someone who left is refused, and so is one that a recipient cannot read (R4)", async () => {
  await edited((text) => text.replace(keys.ben, keys.stranger));
  const problems = await withoutKey();
  assert.deepEqual(
    problems.map(({ message }) => message),
    [
      "sops: ben cannot decrypt it; run `keyplane sops encrypt`",
      `sops: is encrypted to ${keys.stranger}, who is not in the catalogue; run \`keyplane sops encrypt\``,
    ],
  );
  assert.deepEqual(await placeOf(path, "sops:\n"), { line: problems[0]?.line, column: problems[0]?.column });
});

for (const other of ["pgp", "kms", "gcp_kms", "azure_kv", "hc_vault"]) {
  test(`a way in besides age is refused: ${other}`, async () => {
    await edited((text) => text.replace("\nsops:\n", `\nsops:\n    ${other}:\n        - arn: some\n`));
    await assertRefused(await withoutKey(), new RegExp(`sops: "${other}" is not allowed`), "sops:\n");
  });
}

for (const rule of [
  "encrypted_regex: ^secrets$",
  "unencrypted_regex: .*",
  "mac_only_encrypted: true",
  "unencrypted_suffix: _KEY",
]) {
  test(`a rule that leaves values in clear is refused: ${rule}`, async () => {
    await edited((text) => text.replace(/ {4}unencrypted_suffix: _unencrypted/, `    ${rule}`));
    await assertRefused(await withoutKey(), /is not allowed/, "sops:\n");
  });
}

test("a file without its MAC is refused", async () => {
  await edited((text) => text.replace(/ {4}mac: .*\n/, ""));
  await assertRefused(await withoutKey(), /sops: has no mac/, "sops:\n");
});

test("a file that was put together from others is refused by whoever can decrypt", async () => {
  const other =
    (right.get("bootstrap/staging.enc.yaml") ?? "").match(/EXCHANGE_API_KEY: (ENC\[.*\])/)?.[1] ?? "";
  await edited((text) => text.replace(/(EXCHANGE_API_KEY: )ENC\[.*\]/, `$1${other}`));
  assert.equal((await withKey()).problems.length, 1);
});

test("a file that was changed without sops is refused by whoever can decrypt: its MAC says so", async () => {
  const older = right.get("bootstrap/production.enc.yaml") ?? "";
  await edited((text) => text.replace(/lastmodified: ".*"/, 'lastmodified: "2020-01-01T00:00:00Z"'));
  assert.notEqual(await readFile(path, "utf8"), older);
  await assertRefused((await withKey()).problems, /changed by something other than sops \(MAC mismatch\)/);
});

test("aliases and duplicate keys hide what is meant and are refused", async () => {
  await edited((text) => text.replace("services:\n", "services: &all\n"));
  assert.match((await withoutKey())[0]?.message ?? "", /anchors are not allowed/);
  await writeFile(path, `${right.get("bootstrap/production.enc.yaml")}services: {}\n`);
  assert.match((await withoutKey())[0]?.message ?? "", /unique/);
});

test("a file of more than 1 MiB is refused unread", async () => {
  await writeFile(path, `services:\n${"  x: y\n".repeat(200_000)}`);
  await assertRefused(await withoutKey(), /larger than 1 MiB/);
});

test("whatever is done to a file, it is refused or stays what it was: nothing is thrown, every place is in it", () => {
  const text = right.get("bootstrap/production.enc.yaml") ?? "";
  const model = keys.model("production");
  const edit = fc.record({
    from: fc.nat(text.length),
    length: fc.nat(200),
    insert: fc.oneof(
      fc.string(),
      fc.constantFrom("\n", "  ", ": ", "&a ", "*a", "<<: ", "? ", "!!binary ", "- ", "#"),
    ),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let changed = text;
      for (const { from, length, insert } of edits)
        changed = changed.slice(0, from) + insert + changed.slice(from + length);
      const lines = changed.split("\n");
      for (const { line, column } of checkEncrypted("f", changed, model)) {
        assert.ok(line >= 1 && line <= lines.length + 1 && column >= 1, `${line}:${column}`);
      }
    }),
    { numRuns: process.env.KEYPLANE_SCALE === "prove" ? 5_000 : 200 },
  );
});

test("an environment without its file is refused", async () => {
  await rm(path);
  await assertRefused(await withoutKey(), /^is missing: make it with `keyplane sops encrypt`/);
});

test("any other file beside them is refused: a decrypted copy is never committed (R6)", async () => {
  for (const name of ["production.dec.yaml", "production.yaml", "keys.txt"]) {
    await writeFile(join(keys.root, "bootstrap", name), "x");
    const [problem, ...others] = await withoutKey();
    assert.equal(problem?.file, join(keys.root, "bootstrap", name));
    assert.match(problem?.message ?? "", /belongs to no environment/);
    assert.deepEqual(others, []);
    await rm(join(keys.root, "bootstrap", name));
  }
});

test("a link in the place of a file is refused unread", async () => {
  await rm(path);
  await symlink("/etc/hostname", path);
  await assertRefused(await withoutKey(), /must be a plain file/);
});

test("a repository without a bootstrap folder has nothing to be refused", async () => {
  await rm(join(keys.root, "bootstrap"), { recursive: true });
  assert.deepEqual(await checkBootstrapFiles(keys.root, keys.models), { files: [], problems: [] });
});

test("a file of another environment is refused for this one (R9)", () => {
  const text = right.get("bootstrap/local.enc.yaml") ?? "";
  assert.ok(checkEncrypted("bootstrap/production.enc.yaml", text, keys.model("production")).length > 0);
});

test("nothing is written for an environment without recipients, or by an outdated .sops.yaml", async () => {
  const nobody = keys.models.map((model) => ({ ...model, recipients: [] }));
  const [first] = nobody;
  assert.ok(first !== undefined);
  await rm(join(keys.root, "bootstrap"), { recursive: true });
  await assert.rejects(writeBootstrap(keys.root, nobody, first, keys.sops), (error) => {
    assert.ok(error instanceof ProblemsError);
    return /sops config/.test(error.message) && /has no age recipient/.test(error.message);
  });
  assert.ok(!(await readdir(keys.root)).includes("bootstrap"));
});
