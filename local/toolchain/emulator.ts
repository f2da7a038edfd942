import { join } from "node:path";
import type { Report } from "../progress.ts";
import { installPython, type PythonSettings, pinnedIn } from "./python-package.ts";

export type EmulatorSettings = PythonSettings;

let ofProcess: Promise<string> | undefined;

/**
 * Absolute path of the Python of the virtual environment that holds the pinned AWS emulator. It is installed once per
 * machine, from PyPI or where pip is told to look, by the SHA-256 of every file; a copy in the cache is checked once per
 * process. KEYPLANE_TOOLCHAIN does not concern it.
 * @throws ToolchainError with what is missing
 */
export function findEmulator(report: Report): Promise<string> {
  ofProcess ??= installEmulator(pinnedIn(join(import.meta.dirname, "ministack")), report);
  ofProcess.catch(() => {
    ofProcess = undefined;
  });
  return ofProcess;
}

/** Finds the emulator in the cache, or installs it there; see findEmulator. */
export function installEmulator(settings: EmulatorSettings, report: Report): Promise<string> {
  return installPython(
    { name: "ministack", what: "The AWS emulator", module: "ministack.app" },
    settings,
    report,
  );
}
