import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/language_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/language_pb.js";
import plugins from "@pulumi/pulumi/proto/plugin_pb.js";

const runner = createRequire(import.meta.url).resolve("@pulumi/pulumi/cmd/run/index.js");
const engine = process.argv.at(-1) ?? "";

const reply =
  <Request, Response>(
    make: (request: Request) => Response | Promise<Response>,
  ): handleUnaryCall<Request, Response> =>
  ({ request }, callback) =>
    void Promise.resolve(make(request)).then(
      (response) => callback(null, response),
      (error: Error) => callback({ details: error.message }),
    );

const server = new Server();
server.addService(services.LanguageRuntimeService, {
  handshake: reply(() => new messages.LanguageHandshakeResponse()),
  getPluginInfo: reply(() => new plugins.PluginInfo().setVersion("0.0.0")),
  getRequiredPlugins: reply(() => new messages.GetRequiredPluginsResponse()),
  getRequiredPackages: reply(() => new messages.GetRequiredPackagesResponse()),
  run: reply(run),
});
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(port);
});

// An engine that is killed ends nothing of what it started.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 1000);

function run(request: messages.RunRequest): Promise<messages.RunResponse> {
  const config = Object.fromEntries(request.getConfigMap().toObject());
  const child = spawn(
    process.execPath,
    [
      runner,
      `--monitor=${request.getMonitorAddress()}`,
      `--engine=${engine}`,
      `--project=${request.getProject()}`,
      `--stack=${request.getStack()}`,
      `--organization=${request.getOrganization()}`,
      `--pwd=${request.getInfo()?.getProgramDirectory() ?? request.getPwd()}`,
      ...(request.getDryrun() ? ["--dry-run"] : []),
      request.getInfo()?.getEntryPoint() ?? ".",
    ],
    {
      stdio: ["ignore", "inherit", "inherit"],
      env: {
        ...process.env,
        PULUMI_NODEJS_TYPESCRIPT: "false",
        PULUMI_CONFIG: JSON.stringify(config),
        PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
      },
    },
  );
  return new Promise((resolve) => {
    child.on("exit", (code) => {
      const response = new messages.RunResponse();
      resolve(code === 0 ? response : response.setError(`the program ended with ${code}`));
    });
  });
}
