import { execFile } from "node:child_process";
import { access, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Report } from "../progress.ts";

export type ToolName = "pulumi" | "vault" | "sops" | "age" | "age-keygen";

export const allTools: ToolName[] = ["pulumi", "vault", "sops", "age", "age-keygen"];

const modules: Record<ToolName, { module: string; version: string; package: string; ldflags: string }> = {
  pulumi: {
    module: "pulumi",
    version: "3.255.0",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    ldflags: "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.255.0",
  },
  vault: { module: "vault", version: "1.21.1", package: "github.com/hashicorp/vault", ldflags: "-s -w" },
  sops: {
    module: "sops",
    version: "3.13.3",
    package: "github.com/getsops/sops/v3/cmd/sops",
    ldflags: "-s -w",
  },
  age: { module: "age", version: "1.3.1", package: "filippo.io/age/cmd/age", ldflags: "-s -w" },
  "age-keygen": {
    module: "age",
    version: "1.3.1",
    package: "filippo.io/age/cmd/age-keygen",
    ldflags: "-s -w",
  },
};

/** Absolute path of the pinned tool; builds it from Go modules when the cache has none. */
export async function findTool(name: ToolName, report: Report): Promise<string> {
  const { module, version, package: source, ldflags } = modules[name];
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const folder = join(
    cache,
    "keyplane",
    "toolchain",
    `${module}-${version}-${process.platform}-${architecture}`,
  );
  const executable = join(folder, name);
  try {
    await access(executable);
    return executable;
  } catch {
    report({ subject: name, state: "started", text: `building ${version} from Go modules` });
  }
  await mkdir(folder, { recursive: true });
  const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", ldflags];
  await promisify(execFile)("go", ["build", ...flags, "-o", executable, source], {
    cwd: join(import.meta.dirname, module),
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  report({ subject: name, state: "done", text: `${version} built` });
  return executable;
}
