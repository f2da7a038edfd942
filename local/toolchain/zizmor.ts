import { dirname, join } from "node:path";
import { cacheHome } from "../cache-home.ts";
import type { Report } from "../progress.ts";
import { platformOf } from "./package.ts";
import { installPython } from "./python-package.ts";

/**
 * Absolute path of the pinned zizmor, which looks for what is dangerous in workflows: for the tests, nothing that
 * `keyplane up` needs. Installed once per machine, by the SHA-256 of its file.
 * @throws ToolchainError with what is missing
 */
export async function findZizmor(report: Report): Promise<string> {
  const python = await installPython(
    // A program: there is nothing of it to import.
    { name: "zizmor", what: "The workflow checker", module: "importlib.metadata" },
    {
      cache: join(cacheHome(process.env), "toolchain"),
      platform: platformOf(process.platform, process.arch),
      environment: process.env,
      requirements: join(import.meta.dirname, "zizmor", "requirements.txt"),
    },
    report,
  );
  return join(dirname(python), "zizmor");
}
