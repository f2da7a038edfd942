import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { CreateRoleCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateAliasCommand, CreateKeyCommand } from "@aws-sdk/client-kms";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { type Aws, clientsOf } from "../../local/providers/aws/clients.ts";
import { type LocalServices, startServices, stopServices } from "../../local/services/index.ts";
import { findTool } from "../../local/toolchain/index.ts";
import type { AwsModel } from "../../model/aws.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import { allowed } from "../model/aws/simulator.ts";

/** A call to AWS, as IAM names it. */
interface Call {
  action: string;
  resource: string;
  context: Record<string, string>;
}

const run = promisify(execFile);
const repository = resolve(import.meta.dirname, "..", "..");
const found = derive(await loadCatalogue("catalogue"), "production").aws;
assert.ok(found);
const model: AwsModel = found;
const bucket = model.stateBucket ?? "";
const key = model.keys.find(({ name }) => name === "state");
assert.ok(key);
const { alias, policy } = key;

let folder: string;
let services: LocalServices;
let aws: Aws;
let recorder: Server;
let pulumi: string;
let calls: Call[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyplane-state-"));
  services = await startServices(join(folder, "services"), { report: () => {}, only: ["aws"] });
  aws = clientsOf(services.aws);
  await aws.s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const { KeyMetadata } = await aws.kms.send(new CreateKeyCommand({}));
  await aws.kms.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: KeyMetadata?.KeyId }));
  recorder = await record(services.aws.endpoint);
  pulumi = await findTool("pulumi", () => {});
  const project = join(folder, "project");
  await mkdir(project);
  await symlink(join(repository, "node_modules"), join(project, "node_modules"));
  await writeFile(join(project, "package.json"), '{ "type": "module" }\n');
  await writeFile(
    join(project, "Pulumi.yaml"),
    "name: keyplane\nruntime:\n  name: nodejs\n  options: { typescript: false }\nmain: main.js\n",
  );
  await writeFile(
    join(project, "main.js"),
    'import { secret } from "@pulumi/pulumi";\nexport const kept = secret(process.env.KEPT ?? "");\n',
  );
});
after(async () => {
  aws?.close();
  recorder?.close();
  await stopServices(join(folder, "services"), { deleteData: true, report: () => {} });
  await rm(folder, { recursive: true, force: true });
});

/** Hands every request on to the emulator, and keeps what was asked. */
async function record(to: string): Promise<Server> {
  const { hostname, port } = new URL(to);
  const server = createServer((asked, answer) => {
    const parts: Buffer[] = [];
    asked.on("data", (part: Buffer) => parts.push(part));
    asked.on("end", () => {
      const body = Buffer.concat(parts);
      calls.push(...callsOf(asked, body.toString()));
      const { url: path, method, headers } = asked;
      const onward = request({ hostname, port, path, method, headers }, (found) => {
        answer.writeHead(found.statusCode ?? 500, found.headers);
        found.pipe(answer);
      });
      onward.end(body);
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  return server;
}

function callsOf({ url = "", method = "", headers }: IncomingMessage, body: string): Call[] {
  const [, target] = /^TrentService\.(\w+)$/.exec(String(headers["x-amz-target"])) ?? [];
  if (target !== undefined) {
    const { EncryptionContext = {} } = JSON.parse(body) as { EncryptionContext?: Record<string, string> };
    const context = Object.entries(EncryptionContext).map(([name, value]) => [
      `kms:EncryptionContext:${name}`,
      value,
    ]);
    const resource = `arn:aws:kms:${model.region}:${model.account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
    return [{ action: `kms:${target}`, resource, context: Object.fromEntries(context) as Call["context"] }];
  }
  const [, of = "", file = ""] = /^\/([^/?]+)\/?([^?]*)/.exec(decodeURIComponent(url)) ?? [];
  const about = (action: string, path: string): Call => ({
    action,
    resource: path === "" ? `arn:aws:s3:::${of}` : `arn:aws:s3:::${of}/${path}`,
    context: {},
  });
  if (file === "") return [about(method === "GET" ? "s3:ListBucket" : `s3 ${method}`, "")];
  const copied = headers["x-amz-copy-source"];
  if (copied !== undefined) {
    const [, source = ""] = /^\/?[^/]+\/(.*)$/.exec(decodeURIComponent(String(copied))) ?? [];
    return [about("s3:GetObject", source), about("s3:PutObject", file)];
  }
  const actions: Record<string, string> = {
    GET: "s3:GetObject",
    HEAD: "s3:GetObject",
    PUT: "s3:PutObject",
    DELETE: "s3:DeleteObject",
  };
  return [about(actions[method] ?? `s3 ${method}`, file)];
}

/** A session of a role that has the rights of the model's; the emulator refuses it anything else. */
async function session(purpose: "deploy" | "drift"): Promise<Record<string, string>> {
  const name = `keyplane-production-${purpose}`;
  const arn = `arn:aws:iam::${model.account}:role/${name}`;
  const rights = model.roles.find((role) => role.name === name)?.rights;
  assert.ok(rights);
  // The emulator does not look at keys' policies, nor at what a request says of what is encrypted: the simulator does.
  const ofTheKey = policy.Statement.filter(({ Principal }) => JSON.stringify(Principal).includes(`"${arn}"`));
  const document = {
    ...rights,
    Statement: [...rights.Statement, ...ofTheKey.map(({ Principal: _, Condition: __, ...rest }) => rest)],
  };
  const trust = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { AWS: "*" }, Action: "sts:AssumeRole" }],
  };
  const { Role } = await aws.iam.send(
    new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) }),
  );
  await aws.iam.send(
    new PutRolePolicyCommand({
      RoleName: name,
      PolicyName: "rights",
      PolicyDocument: JSON.stringify(document),
    }),
  );
  const { endpoint, region, account } = services.aws;
  const sts = new STSClient({
    endpoint,
    region,
    credentials: { accessKeyId: account, secretAccessKey: account },
  });
  const { Credentials } = await sts.send(
    new AssumeRoleCommand({ RoleArn: Role?.Arn, RoleSessionName: "test" }),
  );
  sts.destroy();
  return {
    AWS_ACCESS_KEY_ID: Credentials?.AccessKeyId ?? "",
    AWS_SECRET_ACCESS_KEY: Credentials?.SecretAccessKey ?? "",
    AWS_SESSION_TOKEN: Credentials?.SessionToken ?? "",
  };
}

/** The Pulumi CLI as the workflows run it. @returns what it asked AWS for */
async function cli(credentials: Record<string, string>, ...args: string[]): Promise<Call[]> {
  calls = [];
  const { port } = recorder.address() as AddressInfo;
  await run(pulumi, [...args, "--non-interactive"], {
    cwd: join(folder, "project"),
    env: {
      ...credentials,
      HOME: folder,
      PATH: [join(import.meta.dirname, "language-host"), process.env.PATH].join(delimiter),
      PULUMI_HOME: join(folder, "home"),
      PULUMI_BACKEND_URL: `s3://${bucket}?region=${model.region}&use_path_style=true`,
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      AWS_REGION: model.region,
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_EC2_METADATA_DISABLED: "true",
      KEPT: args.includes("up") ? "changed" : "",
    },
  });
  return calls;
}

const actionsOf = (made: Call[]) => [...new Set(made.map(({ action }) => action))].sort();

/** What of it the model's role may not, by the simulator. */
async function refused(purpose: "deploy" | "drift", made: Call[]): Promise<string[]> {
  const name = `keyplane-production-${purpose}`;
  const { rights } = model.roles.find((role) => role.name === name) ?? {};
  assert.ok(rights);
  const wrong = new Set<string>();
  for (const { action, resource, context } of made) {
    const may = await allowed({
      principal: `arn:aws:iam::${model.account}:role/${name}`,
      action,
      resource,
      account: model.account,
      rights,
      context,
      ...(action.startsWith("kms:") && { policy }),
    });
    if (!may) wrong.add(`${action} on ${resource}`);
  }
  return [...wrong];
}

const provider = `awskms://${alias}?region=${model.region}&context_keyplane=production.state`;

test("deploy makes, changes and reads Pulumi's state in the bucket that the catalogue names, and drift reads it and writes nothing (R7)", async () => {
  const [deploy, drift] = [await session("deploy"), await session("drift")];
  const made = await cli(deploy, "stack", "init", "production", "--secrets-provider", provider);
  assert.deepEqual(await refused("deploy", made), []);
  const update = ["--stack", "production"];
  const wrote = [
    ...(await cli(deploy, "up", ...update, "--yes", "--skip-preview")),
    ...(await cli(deploy, "preview", ...update)),
    ...(await cli(deploy, "refresh", ...update, "--yes")),
  ];
  assert.deepEqual(await refused("deploy", wrote), []);
  assert.deepEqual(actionsOf([...made, ...wrote]), [
    "kms:Decrypt",
    "kms:Encrypt",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
  ]);

  const looked = [
    ...(await cli(drift, "refresh", ...update, "--preview-only", "--expect-no-changes")),
    ...(await cli(drift, "stack", "export", ...update)),
  ];
  assert.deepEqual(await refused("drift", looked), []);
  assert.deepEqual(actionsOf(looked), ["kms:Decrypt", "s3:GetObject", "s3:ListBucket"]);
  await assert.rejects(cli(drift, "up", ...update, "--yes", "--skip-preview"), /AccessDenied|not authorized/);
});
