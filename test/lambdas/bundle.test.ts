import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { SourceMap, type SourceMapPayload } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { bundleLambda, bundle as bundleOf, type LambdaName, lambdaNames } from "../../lambdas/bundle.ts";
import { loadCatalogue, loadCatalogueFrom } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { shipped, shippings } from "../../model/shipping.ts";

let folder: string;
const production = derive(await loadCatalogue("catalogue"), "production");
const model = shipped(production);
const bundle = (name: LambdaName, into: string) =>
  bundleLambda(name, join(folder, into), { ...shippings(production)[name], commit: "c0ffee" });

before(async () => {
  // Outside of the repository: nothing that lies above it can help.
  folder = await mkdtemp(join(tmpdir(), "keyplane-bundles-"));
  for (const name of lambdaNames) await bundle(name, "first");
});
after(() => rm(folder, { recursive: true, force: true }));

/** The two halves of a bundle: what is read at its start, and what is compiled once it is asked for. */
const halves = { start: "index.mjs", late: "index.late.cjs" };

async function mapOf(name: LambdaName, half: keyof typeof halves): Promise<SourceMapPayload> {
  const file = join(folder, "first/maps", `${name}.${halves[half]}.map`);
  return JSON.parse(await readFile(file, "utf8")) as SourceMapPayload;
}

/** The packages whose code is in a bundle, by its source maps. */
async function packagesIn(name: LambdaName): Promise<string[]> {
  const maps = await Promise.all([mapOf(name, "start"), mapOf(name, "late")]);
  const packages = maps.flatMap(({ sources }) =>
    sources.flatMap((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []),
  );
  return [...new Set(packages)].sort();
}

for (const name of lambdaNames) {
  test(`${name} is one file of 0.4 MB at most`, async () => {
    const { folder: at, bytes } = await bundle(name, "sized");
    assert.deepEqual(await readdir(at), ["index.mjs", "model.json"]);
    assert.equal((await readFile(join(at, "index.mjs"))).length, bytes);
    assert.ok(bytes <= 400_000, `${bytes} bytes`);
  });

  test(`${name} is loaded where no package is installed`, async () => {
    const code =
      'const { handler } = await import("./index.mjs"); console.log(typeof handler, handler.length)';
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], {
      cwd: join(folder, "first", name),
      env: {},
    });
    assert.equal(stdout, "function 2\n");
  });

  test(`${name} has each module once: what runs later is no code at the start of the file, and shares what is`, async () => {
    const [start, late] = [(await mapOf(name, "start")).sources, (await mapOf(name, "late")).sources];
    const twice = late.filter((source) => start.includes(source));
    // Node's own modules are asked for, and not held, by either.
    assert.deepEqual(
      twice.filter((source) => !source.startsWith("in-turn:")),
      [],
    );
    assert.ok(start.includes("../clients/vault.ts") && start.includes(`../lambdas/${name}/handler.ts`));
    const work =
      name === "rotate-due" ? "../operations/rotation/engine.ts" : "../lambdas/rotate-postgres/steps.ts";
    assert.ok(late.includes(work), late.join(", "));
  });

  test(`${name} has the same bytes wherever and however often it is made`, async () => {
    const { folder: again } = await bundle(name, "elsewhere/again");
    for (const file of await readdir(again)) {
      const [one, other] = [join(folder, "first", name, file), join(again, file)].map((path) =>
        readFile(path),
      );
      assert.deepEqual(await one, await other, file);
    }
    const maps = ["first", "elsewhere/again"].map((at) =>
      readFile(join(folder, at, "maps", `${name}.index.mjs.map`), "utf8"),
    );
    assert.equal(await maps[0], await maps[1]);
  });

  test(`${name} holds no path of the machine that made it`, async () => {
    const text = await readFile(join(folder, "first", name, "index.mjs"), "utf8");
    const map = await readFile(join(folder, "first/maps", `${name}.index.mjs.map`), "utf8");
    for (const place of [process.cwd(), folder])
      assert.ok(!text.includes(place) && !map.includes(place), place);
  });
}

test("an error of what runs later has the words and the class of its source, and its place leads there by the map", async () => {
  const { files } = await bundleOf("test/lambdas/late-program/index.ts");
  const at = await mkdtemp(join(folder, "late-"));
  for (const { path, contents } of files) await writeFile(join(at, basename(path)), contents);
  const code = 'console.log(JSON.stringify(await (await import("./index.mjs")).handler()))';
  const args = ["--input-type=module", "--eval", code];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: at, env: {} });
  const { isKnown, stack } = JSON.parse(stdout) as { isKnown: boolean; stack: string };
  assert.equal(isKnown, true);
  assert.equal(stack.split("\n")[0], "Problem: it does not work: the port is taken");
  const [, line, column] = /index\.late\.cjs:(\d+):(\d+)/.exec(stack) ?? assert.fail(stack);
  const map = new SourceMap(JSON.parse(await readFile(join(at, "index.late.cjs.map"), "utf8")));
  const found = map.findEntry(Number(line) - 1, Number(column) - 1);
  assert.ok("originalSource" in found);
  assert.deepEqual([basename(found.originalSource), found.originalLine + 1], ["work.ts", 4]);
});

test("the function of Secrets Manager holds Postgres' client and the signature of requests, and nothing of the catalogue", async () => {
  assert.deepEqual(await packagesIn("rotate-postgres"), [
    "aws4fetch",
    "pg",
    "pg-connection-string",
    "pg-int8",
    "pg-protocol",
    "pg-types",
    "postgres-array",
    "postgres-bytea",
    "postgres-date",
    "postgres-interval",
    "xtend",
  ]);
});

test("the runner holds neither what reads the catalogue nor what only a host can rotate", async () => {
  const packages = await packagesIn("rotate-due");
  assert.ok(packages.includes("pg") && packages.includes("jose"), packages.join(", "));
  for (const heavy of ["undici", "yaml", "commander", "bcryptjs", "tweetnacl", "@pulumi/pulumi"]) {
    assert.ok(!packages.includes(heavy), heavy);
  }
  assert.deepEqual(
    packages.filter((name) => name.startsWith("@nats-io") || name.startsWith("@aws-sdk")),
    [],
  );
});

test("a change of people, of their groups or of who administers makes no new code of the runner", async () => {
  const names = (await readdir("catalogue", { recursive: true })).filter((name) => name.endsWith(".yaml"));
  const files = Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await readFile(`catalogue/${name}`, "utf8")] as const),
    ),
  );
  const after = (file: string, from: string, to: string) => {
    const text = files[file] ?? "";
    assert.equal(text.split(from).length, 2, `${from} stands once in ${file}`);
    const whole = derive(loadCatalogueFrom({ ...files, [file]: text.replace(from, to) }), "production");
    return { whole, shipping: JSON.stringify(shipped(whole)) };
  };
  const [before, unchanged] = [
    JSON.stringify(model),
    JSON.stringify(derive(loadCatalogueFrom(files), "production")),
  ];
  const organization = "organization.yaml";
  for (const [from, to] of [
    ["\npeople:\n", "\npeople:\n  zoe: { email: zoe@acme.example, groups: [platform] }\n"],
    ["administrators: [ada, ben]", "administrators: [ada, ben, ines]"],
    ["Looks at configuration and evidence, audits: true", "Looks at all, audits: false"],
  ] as const) {
    const { whole, shipping } = after(organization, from, to);
    assert.notEqual(JSON.stringify(whole), unchanged, "the model has changed");
    assert.equal(shipping, before, to);
  }
  const other = after(
    "systems/titan.yaml",
    "rotate: { every: 30d, overlap: 24h }",
    "rotate: { every: 29d, overlap: 24h }",
  );
  assert.notEqual(other.shipping, before);
});

test("the function of Secrets Manager has its users beside its code, and nothing else of the model", async () => {
  const { folder: at } = await bundle("rotate-postgres", "users");
  const { model: users } = JSON.parse(await readFile(join(at, "model.json"), "utf8")) as { model: unknown };
  assert.deepEqual(users, {
    environment: "production",
    databases: {
      "titan/ledger": {
        groups: [{ name: "ledger_reader" }, { name: "ledger_writer" }],
        users: {
          "keyplane/production/titan/ledger/titan-proxy": {
            user: "titan-proxy",
            memberOf: "ledger_reader",
            logins: ["titan-proxy_a", "titan-proxy_b"],
          },
        },
      },
    },
  });
});
