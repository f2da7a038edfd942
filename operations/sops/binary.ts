import { spawn } from "node:child_process";

/** sops failed. `code` is its exit status; its own words are kept out, since they may quote what it read. */
export class SopsError extends Error {
  override name = "SopsError";
  readonly code: number;
  constructor(code: number) {
    super(reasons[code] ?? `sops stopped with exit status ${code}`);
    this.code = code;
  }
}

/** Exit statuses of sops, https://github.com/getsops/sops/blob/main/cmd/sops/codes/codes.go */
export const sopsCode = { macMismatch: 51, noKey: 128 } as const;

const reasons: Record<number, string> = {
  [sopsCode.macMismatch]: "was changed by something other than sops (MAC mismatch)",
  [sopsCode.noKey]: "no age key at hand decrypts it; see SOPS_AGE_KEY_FILE",
};

/** Whether the caller has an age key at hand for sops to try (R5). */
export function hasAgeKey(env: NodeJS.ProcessEnv): boolean {
  return ["SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD"].some((name) => (env[name] ?? "") !== "");
}

/**
 * Encrypts YAML by the creation rule that the configuration has for `filename`. The clear text goes in on
 * standard input, so that it is never in a file or an argument.
 * @param sops path of the executable
 * @param directory where `config` and `filename` are relative to
 * @throws SopsError
 */
export function encrypt(
  sops: string,
  options: { clear: string; directory: string; config: string; filename: string },
): Promise<string> {
  const { clear, directory, config, filename } = options;
  const formats = ["--input-type", "yaml", "--output-type", "yaml"];
  return run(sops, ["--config", config, "encrypt", "--filename-override", filename, ...formats], {
    directory,
    input: clear,
  });
}

/** Decrypts to data with the age key that the environment names. The clear text stays in this process. */
export async function decrypt(sops: string, file: string, directory: string): Promise<unknown> {
  return JSON.parse(await run(sops, ["decrypt", "--output-type", "json", file], { directory, input: "" }));
}

function run(sops: string, args: string[], options: { directory: string; input: string }): Promise<string> {
  const kept = /^(PATH|HOME|XDG_CONFIG_HOME|TMPDIR|SOPS_AGE_.*)$/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name)));
  return new Promise((resolve, reject) => {
    const child = spawn(sops, args, { cwd: options.directory, env, stdio: ["pipe", "pipe", "ignore"] });
    const out: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString("utf8"));
      else reject(new SopsError(code ?? -1));
    });
    // A sops that stopped early closes its input; its exit status says why.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input);
  });
}
