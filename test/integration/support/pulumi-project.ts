import { execFile } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { findTool } from "../../../local/toolchain/index.ts";
import { keyplane, type Run } from "../../cli/command.ts";

const repository = resolve(import.meta.dirname, "..", "..", "..");

/** A folder in which people run the Pulumi CLI, with a backend, a home and a language host of its own. */
export class PulumiProject {
  readonly root: string;
  readonly env: Record<string, string>;
  readonly pulumi: string;

  private constructor(root: string, env: Record<string, string>, pulumi: string) {
    this.root = root;
    this.env = env;
    this.pulumi = pulumi;
  }

  /** @param providers where they serve, as PULUMI_DEBUG_PROVIDERS says it */
  static async make(folder: string, providers: string): Promise<PulumiProject> {
    const pulumi = await findTool("pulumi", () => {});
    const [root, bin, backend] = ["project", "bin", "backend"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const each of [root, bin, backend]) await mkdir(each, { recursive: true });
    await symlink(pulumi, join(bin, "pulumi"));
    const host = join(repository, "test", "integration", "language-host");
    return new PulumiProject(
      root,
      {
        HOME: folder,
        PATH: [bin, host, process.env.PATH].join(delimiter),
        PULUMI_HOME: join(folder, "home"),
        PULUMI_BACKEND_URL: `file://${backend}`,
        PULUMI_CONFIG_PASSPHRASE: "only for this test",
        PULUMI_SKIP_UPDATE_CHECK: "true",
        PULUMI_DEBUG_PROVIDERS: providers,
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      },
      pulumi,
    );
  }

  async link(...names: string[]): Promise<void> {
    for (const name of names) await symlink(join(repository, name), join(this.root, name));
  }

  /**
   * A program of three policies of Vault; `BEYOND` makes the last break a rule, at once or by the update alone; `CANARY`
   * stands in a fourth, which is secret.
   */
  async declarePolicies(): Promise<void> {
    await this.link("node_modules", "package.json", "catalogue", "policies");
    await mkdir(join(this.root, "program"));
    await writeFile(
      join(this.root, "Pulumi.yaml"),
      "name: keyplane\nruntime:\n  name: nodejs\n  options: { typescript: false }\nmain: program/main.ts\n",
    );
    await writeFile(
      join(this.root, "program", "main.ts"),
      `import { secret } from "@pulumi/pulumi";
import { Policy } from "@pulumi/vault/policy.js";
const text = (path) => \`path "\${path}" {\\n  capabilities = ["read"]\\n}\\n\`;
const declare = (name, policy) => new Policy("titan." + name, { name: "titan." + name, policy });
const first = declare("a", text("kv/data/services/titan/a/x"));
declare("b", text("kv/data/services/titan/b/x"));
const { BEYOND, CANARY } = process.env;
if (CANARY) declare("d", secret(text("kv/data/services/titan/d/" + CANARY)));
if (BEYOND === "late") declare("c", first.id.apply((id) => text("kv/data/services/soma/" + id)));
else declare("c", text(BEYOND ? "kv/data/services/soma/x" : "kv/data/services/titan/c/x"));
`,
    );
  }

  async run(...args: string[]): Promise<void> {
    await promisify(execFile)(this.pulumi, [...args, "--non-interactive"], {
      cwd: this.root,
      env: this.env,
    });
  }

  /** `keyplane judge` around `pulumi COMMAND`, as the workflows run it. */
  judge(
    stack: string,
    command: string[],
    { options = [], env = {} }: { options?: string[]; env?: Record<string, string> } = {},
  ): Promise<Run> {
    const words = ["pulumi", ...command, "--stack", stack, "--non-interactive"];
    const [environment = ""] = stack.split(".");
    return keyplane(["judge", "--environment", environment, ...options, "--", ...words], {
      cwd: this.root,
      env: { ...this.env, ...env },
    });
  }
}
