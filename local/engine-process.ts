import { spawn } from "node:child_process";
import { delimiter, dirname } from "node:path";
import type { PulumiCommand } from "@pulumi/pulumi/automation/index.js";

/**
 * The engine's command in a session of its own. A terminal's Ctrl-C reaches whoever is in the terminal's session, and the
 * SDK passes the same wish on: at a second one the engine would end at once, in the midst of a resource, its state
 * unwritten. It does not outlive this process.
 */
export function inOwnSession(pulumi: PulumiCommand): PulumiCommand {
  // What the SDK itself calls, and keeps out of its types.
  return Object.assign(pulumi, { run: run.bind(undefined, pulumi.command) });
}

interface Ended {
  stdout: string;
  stderr: string;
  code: number;
}

/** As the SDK runs it, beside the session. @throws Error with all that the engine has said, where it ends in any other way than 0 */
function run(
  command: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>>,
  onOutput?: (text: string) => void,
  onError?: (text: string) => void,
  signal?: AbortSignal,
): Promise<Ended> {
  const { PATH = process.env.PATH ?? "" } = environment;
  const child = spawn(command, [...args, "--non-interactive"], {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      ...environment,
      // The plugins beside the command are found first.
      PATH: `${dirname(command)}${delimiter}${PATH}`,
      PULUMI_AUTOMATION_API: "true",
    },
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said.stdout += text;
    onOutput?.(text);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said.stderr += text;
    onError?.(text);
  });
  const cancel = () => child.kill("SIGINT");
  const kill = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", cancel);
  process.once("exit", kill);
  return new Promise<Ended>((settle, reject) => {
    child.once("error", reject);
    child.once("close", (code, by) => {
      signal?.removeEventListener("abort", cancel);
      process.off("exit", kill);
      if (code === 0) settle({ ...said, code });
      else reject(new Error(`pulumi ${args[0]} ended with ${by ?? code}:\n${said.stderr}\n${said.stdout}`));
    });
  });
}
