import { dirname, join } from "node:path";
import type { Report } from "../progress.ts";
import { installPython, pinnedIn } from "./python-package.ts";

/**
 * Absolute path of the pinned zizmor, which looks for what is dangerous in workflows: for the tests, nothing that
 * `keyplane up` needs. Installed once per machine, by the SHA-256 of its file.
 * @throws ToolchainError with what is missing
 */
export async function findZizmor(report: Report): Promise<string> {
  const python = await installPython(
    // A program: there is nothing of it to import.
    { name: "zizmor", what: "The workflow checker", module: "importlib.metadata" },
    pinnedIn(join(import.meta.dirname, "zizmor")),
    report,
  );
  return join(dirname(python), "zizmor");
}
