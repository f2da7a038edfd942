import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheHome } from "../../local/cache-home.ts";
import { platformOf } from "../../local/toolchain/package.ts";
import { installPython, pinnedIn } from "../../local/toolchain/python-package.ts";
import { Toolchain } from "../../local/toolchain/toolchain.ts";
import type { Report } from "../../operations/progress.ts";

const here = import.meta.dirname;
const cache = () => join(cacheHome(process.env), "toolchain");
const platform = platformOf(process.platform, process.arch);

/** The Python that has detect-secrets 1.4.0, by the hash of every file. @throws ToolchainError */
export function findDetectSecrets(report: Report): Promise<string> {
  return installPython(
    { name: "detect-secrets", what: "The secret scanner of the hooks", module: "detect_secrets" },
    pinnedIn(join(here, "detect-secrets")),
    report,
  );
}

/** The command line of secretlint with its recommended preset, by its lock file: a script for Node. */
export async function findSecretlint(report: Report): Promise<string> {
  const lock = await readFile(join(here, "secretlint", "package-lock.json"));
  const folder = join(cache(), `secretlint-${createHash("sha256").update(lock).digest("hex").slice(0, 16)}`);
  const stamp = join(folder, "installed");
  if ((await readFile(stamp, "utf8").catch(() => "")) !== "whole") {
    report({ subject: "secretlint", state: "started", text: "installing with npm" });
    await mkdir(folder, { recursive: true });
    for (const name of ["package.json", "package-lock.json"]) {
      await copyFile(join(here, "secretlint", name), join(folder, name));
    }
    await promisify(execFile)("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: folder });
    await writeFile(stamp, "whole");
  }
  return join(folder, "node_modules", "secretlint", "bin", "secretlint.js");
}

/** gitleaks, built from the modules that its go.sum pins where it is not on PATH. @throws ToolchainError */
export function findGitleaks(report: Report): Promise<string> {
  const version = "8.30.1";
  const toolchain = new Toolchain({
    cache: cache(),
    platform,
    environment: process.env,
    packages: [
      {
        name: "gitleaks",
        version,
        page: "https://github.com/gitleaks/gitleaks/releases",
        executables: { gitleaks: ["version"] },
        downloads: {},
        build: {
          folder: join(here, "gitleaks"),
          packages: ["github.com/zricethezav/gitleaks/v8"],
          ldflags: `-s -w -X github.com/zricethezav/gitleaks/v8/version.Version=${version}`,
          minutes: 1,
        },
      },
    ],
  });
  return toolchain.find("gitleaks", report);
}
