import { mkdir, realpath } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { request } from "undici";
import type { Report } from "../../progress.ts";
import { waitUntilHealthy } from "../health.ts";
import { layout } from "../home.ts";
import { readIfThere, writePrivate } from "../private-file.ts";
import { type Launch, lastArguments, type ProcessTable, sizeOf, stopProcess } from "../process-table.ts";

/** The account that the emulator plays, and where. */
export const account = "000000000000";
export const region = "eu-west-1";

export function emulatorEndpoint(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/**
 * The emulator's variables. What it holds lives in its memory alone: on disk it would write the values of secrets in
 * plain text. It forgets everything when it ends, and the next `up` builds it again.
 */
export function emulatorSettings(home: string, port: number): Record<string, string> {
  return {
    BIND_HOST: "127.0.0.1",
    GATEWAY_PORT: String(port),
    MINISTACK_HOST: "127.0.0.1",
    MINISTACK_ACCOUNT_ID: account,
    MINISTACK_REGION: region,
    AWS_DEFAULT_REGION: region,
    // Functions have their role's credentials, and what a role may not do is refused; the account's own key may do all.
    AUTH: "true",
    LAMBDA_EXECUTOR: "local",
    CLOUDTRAIL_RECORDING: "1",
    IOT_MTLS_ENABLED: "0",
    // One line per request would hold what is asked for.
    LOG_LEVEL: "WARNING",
    TMPDIR: layout(home).aws.temporary,
    // Functions run on the `node` that it finds: this one.
    PATH: [dirname(process.execPath), process.env.PATH ?? "/usr/bin:/bin"].join(delimiter),
  };
}

function emulatorLaunch(home: string, python: string, port: number): Launch {
  return {
    name: "aws",
    command: [python, "-I", join(import.meta.dirname, "server.py"), ...lastArguments(home, "aws")],
    port,
    log: join(layout(home).logs, "aws.log"),
  };
}

/** Starts the AWS emulator where it does not run. `python` is the one of its virtual environment. */
export async function startEmulator(start: {
  home: string;
  python: () => Promise<string>;
  port: number;
  table: ProcessTable;
  report: Report;
}): Promise<void> {
  const { home, port, table, report } = start;
  const { aws } = layout(home);
  await mkdir(aws.temporary, { recursive: true, mode: 0o700 });
  // What it starts functions with is CommonJS; a state folder in a checkout would have it taken for an ES module.
  await writePrivate(join(aws.temporary, "package.json"), '{ "type": "commonjs" }\n');
  const settings = `${JSON.stringify(emulatorSettings(home, port), undefined, 2)}\n`;
  const endpoint = emulatorEndpoint(port);
  let running = await table.find("aws");
  const isMoved = async () => portOf(await readIfThere(aws.settings)) !== String(port);
  // One that earlier code started does not say whose it is.
  const isOutdated = async () => (await emulatorProblem(home, endpoint)) === anotherAnswers;
  if (running !== undefined && ((await isMoved()) || (await isOutdated()))) {
    await stopProcess(running, "SIGTERM");
    running = undefined;
  }
  const unchanged = running !== undefined;
  let logStart = 0;
  if (running === undefined) {
    const launch = emulatorLaunch(home, await start.python(), port);
    logStart = await sizeOf(launch.log);
    await writePrivate(aws.settings, settings);
    report({ subject: "aws", state: "started", text: `starting on ${endpoint}` });
    running = await table.launch(launch);
  }
  await table.record("aws", running);
  await waitUntilHealthy({
    name: "aws",
    process: running,
    logStart,
    probe: () => emulatorProblem(home, endpoint),
  });
  report({
    subject: "aws",
    state: unchanged ? "unchanged" : "done",
    text: `running on ${endpoint}`,
  });
}

function portOf(settings: string | undefined): string | undefined {
  try {
    return (JSON.parse(settings ?? "") as { GATEWAY_PORT?: string }).GATEWAY_PORT;
  } catch {
    return undefined;
  }
}

const anotherAnswers = "another program answers at its port";

/** What keeps the emulator of a state folder from serving; undefined when it serves. */
export async function emulatorProblem(home: string, endpoint: string): Promise<string | undefined> {
  try {
    const { statusCode, body } = await request(`${endpoint}/_keyplane/settings`, {
      signal: AbortSignal.timeout(5_000),
    });
    const answer = await body.text();
    // Whoever was quicker to take the port may be an emulator as well: that of another state folder.
    if (statusCode === 200 && answer === (await realpath(layout(home).aws.settings))) return undefined;
    return anotherAnswers;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
