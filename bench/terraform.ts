import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { timed } from "./measure.ts";

const run = promisify(execFile);

/** Whether Terraform is on PATH, and which. */
export async function terraformVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await run("terraform", ["version", "-json"], { env: environment() });
    return (JSON.parse(stdout) as { terraform_version: string }).terraform_version;
  } catch {
    return undefined;
  }
}

/**
 * Terraform's own cost for so many resources: first apply and a plan without changes, with a local state.
 * The resources are its built-in `terraform_data`, which no server is asked about: what a real provider does comes
 * on top, so this is a lower bound.
 */
export async function terraform(resources: number): Promise<{ apply: number; plan: number }> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-terraform-"));
  const call = (...args: string[]) =>
    run("terraform", [...args, "-no-color"], { cwd: folder, env: environment(), maxBuffer: 1 << 28 });
  try {
    const blocks = Array.from(
      { length: resources },
      (_, index) => `resource "terraform_data" "policy-${index}" {
  input = { name = "system.service-${index}", policy = "path \\"kv/data/services/${index}\\" { capabilities = [\\"read\\"] }" }
}`,
    );
    await writeFile(join(folder, "main.tf"), blocks.join("\n"));
    await call("init");
    const apply = await timed(() => call("apply", "-auto-approve"));
    const plan = await timed(() => call("plan", "-detailed-exitcode"));
    return { apply, plan };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, CHECKPOINT_DISABLE: "1", TF_IN_AUTOMATION: "1" };
}
