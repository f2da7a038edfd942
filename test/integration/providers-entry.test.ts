import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { platform } from "../../infra/index.ts";
import { lambdaCode } from "../../infra/lambda-code.ts";
import { bundles } from "../../local/lambdas.ts";
import { startAwsProvider, startVaultProvider } from "../../local/providers/index.ts";
import { findTool } from "../../local/toolchain/index.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { declared } from "../infra/declared.ts";

const run = promisify(execFile);
const repository = resolve(import.meta.dirname, "..", "..");

let folder: string;
/** Where the program looks for the functions' code. */
let lambdas: string;
let pulumi: string;
let provider: { port: number; close(): Promise<void> };
let aws: { port: number; close(): Promise<void> };

/** The Pulumi CLI in a copy of the project, as an engineer runs it for a real environment. */
async function cli(...args: string[]): Promise<string> {
  const { stdout } = await run(pulumi, [...args, "--non-interactive"], {
    cwd: join(folder, "project"),
    maxBuffer: 64 * 1024 * 1024,
    env: {
      HOME: folder,
      PATH: [join(import.meta.dirname, "language-host"), process.env.PATH].join(delimiter),
      PULUMI_HOME: join(folder, "home"),
      PULUMI_BACKEND_URL: `file://${join(folder, "backend")}`,
      PULUMI_CONFIG_PASSPHRASE: "only for this test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DEBUG_PROVIDERS: `vault:${provider.port},aws:${aws.port}`,
      KEYPLANE_LAMBDAS: lambdas,
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    },
  });
  return stdout;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-entry-"));
  const project = join(folder, "project");
  await mkdir(join(folder, "backend"));
  await mkdir(project);
  for (const name of await readdir(repository)) {
    if (name.startsWith("Pulumi.")) await cp(join(repository, name), join(project, name));
  }
  for (const name of ["infra", "model", "catalogue", "node_modules", "package.json"]) {
    await symlink(join(repository, name), join(project, name));
  }
  pulumi = await findTool("pulumi", () => {});
  // A preview of a new environment asks no system anything: nothing listens there.
  provider = await startVaultProvider({ address: "https://127.0.0.1:1", ca: "", token: () => "" });
  aws = await startAwsProvider({
    endpoint: "http://127.0.0.1:1",
    account: "000000000000",
    region: "eu-west-1",
  });
});
after(async () => {
  await provider?.close();
  await aws?.close();
  await rm(folder, { recursive: true, force: true });
});

for (const environment of ["staging", "production"]) {
  test(`\`pulumi preview\` of ${environment} runs the entry and plans exactly what the model declares`, async () => {
    const model = derive(await loadCatalogue(join(repository, "catalogue")), environment);
    lambdas = join(folder, environment);
    const code = await bundles(lambdas, model);
    const expected = await declared(() =>
      platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: code }),
    );
    await cli("stack", "init", environment);
    const { steps } = JSON.parse(await cli("preview", "--stack", environment, "--json")) as {
      steps: { op: string; urn: string }[];
    };
    const identity = (urn: string) => urn.split("::").slice(2).join("::");
    const planned = steps.filter(({ urn }) => !urn.includes("::pulumi:"));
    assert.deepEqual(new Set(planned.map(({ op }) => op)), new Set(["create"]));
    assert.deepEqual(
      planned.map(({ urn }) => identity(urn)).sort(),
      expected.resources.map(({ urn }) => identity(urn)).sort(),
    );
  });

  test(`the ${environment} stack reaches the Vault that the catalogue names`, async () => {
    const model = derive(await loadCatalogue(join(repository, "catalogue")), environment);
    const config = JSON.parse(await cli("config", "--stack", environment, "--json"));
    assert.deepEqual(config, {
      "aws:region": { value: model.aws?.region, secret: false },
      "vault:address": { value: model.vault.address, secret: false },
      "vault:skipChildToken": { value: "true", secret: false },
    });
  });
}

/** What `pulumi preview` of staging ends with. */
async function refusal(): Promise<string> {
  try {
    await cli("preview", "--stack", "staging");
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return stdout + stderr;
  }
  return "none";
}

test("functions that are older than the catalogue, or are not there, are refused with the command that makes them", async () => {
  const changed = join(folder, "catalogue");
  await cp(join(repository, "catalogue"), changed, { recursive: true });
  const titan = join(changed, "systems", "titan.yaml");
  const text = await readFile(titan, "utf8");
  await writeFile(titan, text.replace("every: 30d, overlap: 24h", "every: 29d, overlap: 24h"));
  lambdas = join(folder, "staging");
  await cli("config", "set", "keyplane:catalogue", changed, "--stack", "staging");
  const command = `npx keyplane bundle --environment staging --catalogue ${changed} makes it`;
  assert.ok(
    (await refusal()).includes(
      `${lambdaCode(lambdas)["rotate-due"]} is older than the catalogue, which says something else of rotations by now: ${command}`,
    ),
  );
  await rm(join(lambdas, "rotate-due", "index.mjs"));
  assert.ok(
    (await refusal()).includes(
      `${lambdaCode(lambdas)["rotate-due"]} holds no code of a function: ${command}`,
    ),
  );
});

test("a part's stack builds that part: its name says which", async () => {
  lambdas = join(folder, "platform");
  await bundles(lambdas, derive(await loadCatalogue(join(repository, "catalogue")), "staging"));
  await cli("stack", "init", "staging.platform");
  const config = JSON.parse(await cli("config", "--stack", "staging.platform", "--json"));
  assert.equal(config["aws:region"].value, "eu-west-1", "in a stack without a file of its own as well");
  const { steps } = JSON.parse(await cli("preview", "--stack", "staging.platform", "--json")) as {
    steps: { urn: string }[];
  };
  assert.ok(steps.some(({ urn }) => urn.endsWith("::kv")));
  assert.deepEqual(
    steps
      .filter(({ urn }) => urn.includes("titan") && !/aws/.test(urn))
      .map(({ urn }) => urn.split("::").slice(2).join(" "))
      .sort(),
    [
      "vault:identity/group:Group titan-operators",
      "vault:index/policy:Policy keyplane.group.titan-operators",
      "vault:index/policy:Policy titan.ledger.keyplane.rotate-postgres",
    ],
  );
});
