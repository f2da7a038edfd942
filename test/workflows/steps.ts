import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { runInNewContext } from "node:vm";
import { parse } from "yaml";

export interface Step {
  id?: string;
  name?: string;
  if?: string;
  uses?: string;
  run?: string;
  with?: Record<string, string>;
  env?: Record<string, string>;
}
interface Workflow {
  jobs: Record<string, { env?: Record<string, string>; steps: Step[] }>;
}

export interface Ran {
  /** A step's outcome, by its id, its name or its command's first words. */
  outcomes: Record<string, "success" | "failure" | "skipped">;
  outputs: Record<string, string>;
  summary: string;
  output: string;
}

export interface Job {
  file: string;
  job: string;
  /** Where its steps run. */
  folder: string;
  /** What its expressions read: `github`, `matrix`, `vars`, `needs`. */
  contexts: Record<string, unknown>;
  env?: Record<string, string>;
  /** Stands for an action. */
  uses?: (step: Step) => Promise<void>;
}

/**
 * Runs the scripts of a job's steps as GitHub's runner does: each by `bash -e`, in order, under its `if:`. `npx keyplane` is
 * the command of this repository, and `npm ci` has been run already.
 */
export async function runJob({ file, job, folder, contexts, env = {}, uses }: Job): Promise<Ran> {
  const workflow = parse(await readFile(resolve(".github/workflows", file), "utf8")) as Workflow;
  const wanted = workflow.jobs[job];
  if (wanted === undefined) throw new Error(`${file} has no job ${job}`);
  const bin = join(folder, "..", "bin");
  await mkdir(bin, { recursive: true });
  const entry = resolve("cli/keyplane.ts");
  const npx = `#!/bin/sh\nshift\nexec "${process.execPath}" "${entry}" "$@"\n`;
  await writeFile(join(bin, "npx"), npx, { mode: 0o700 });
  await writeFile(join(bin, "npm"), "#!/bin/sh\nexit 0\n", { mode: 0o700 });
  // It downloads; who calls Pulumi here brings one.
  await mkdir(join(folder, ".github"), { recursive: true });
  await writeFile(join(folder, ".github", "install-pulumi"), "#!/bin/sh\n", { mode: 0o700 });
  const [summary, output, temporary] = ["summary", "output", "temporary"].map((name) => join(bin, name));
  for (const each of [summary, output]) await writeFile(each as string, "");
  await mkdir(temporary as string, { recursive: true });

  const ran: Ran = { outcomes: {}, outputs: {}, summary: "", output: "" };
  const steps: Record<string, { outcome: string }> = {};
  let hasFailed = false;
  const value = (text: string) =>
    String(text).replace(/\$\{\{ (.*?) \}\}/g, (_, expression: string) => String(evaluated(expression)));
  const evaluated = (expression: string): unknown =>
    runInNewContext(expression, {
      ...contexts,
      steps,
      cancelled: () => false,
      failure: () => hasFailed,
      success: () => !hasFailed,
    });
  const environmentOf = (step: Step) =>
    Object.fromEntries(
      Object.entries({ ...wanted.env, ...step.env }).map(([name, text]) => [name, value(text)]),
    );

  for (const step of wanted.steps) {
    const name = step.id ?? step.name ?? step.run?.split(" ").slice(0, 5).join(" ") ?? step.uses ?? "";
    const condition = step.if?.replace(/^\$\{\{ (.*) \}\}$/, "$1") ?? "success()";
    const isWanted = /\b(cancelled|failure|success|always)\(/.test(condition)
      ? evaluated(condition)
      : !hasFailed && evaluated(condition);
    let outcome: Ran["outcomes"][string] = "skipped";
    if (isWanted && step.run === undefined) {
      await uses?.({
        ...step,
        with: Object.fromEntries(Object.entries(step.with ?? {}).map(([key, text]) => [key, value(text)])),
      });
      outcome = "success";
    } else if (isWanted) {
      const given = { ...environmentOf(step), GITHUB_STEP_SUMMARY: summary as string };
      const run = await bash(folder, step.run ?? "", {
        ...given,
        GITHUB_OUTPUT: output as string,
        RUNNER_TEMP: temporary as string,
        PATH: `${env.PATH === undefined ? "" : `${env.PATH}:`}${bin}:${process.env.PATH}`,
        ...Object.fromEntries(Object.entries(env).filter(([key]) => key !== "PATH")),
      });
      ran.output += `$ ${name}\n${run.output}`;
      outcome = run.code === 0 ? "success" : "failure";
      hasFailed ||= run.code !== 0;
    }
    ran.outcomes[name] = outcome;
    if (step.id !== undefined) steps[step.id] = { outcome };
  }
  ran.summary = await readFile(summary as string, "utf8");
  for (const line of (await readFile(output as string, "utf8")).split("\n")) {
    const [, key, text] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined) ran.outputs[key] = text ?? "";
  }
  return ran;
}

function bash(cwd: string, script: string, env: Record<string, string>) {
  return new Promise<{ code: number | null; output: string }>((settle, reject) => {
    const { HOME = "", XDG_CACHE_HOME } = process.env;
    const child = spawn("bash", ["-e", "-c", script], {
      cwd,
      env: { HOME, ...(XDG_CACHE_HOME && { XDG_CACHE_HOME }), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    child.once("error", reject);
    child.once("close", (code) => settle({ code, output }));
  });
}
