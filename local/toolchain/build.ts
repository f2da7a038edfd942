import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { executablesOnPath } from "./executable.ts";
import type { Build } from "./package.ts";

/** Go is missing, too old, or could not build. */
export class BuildError extends Error {
  override name = "BuildError";
}

export interface BuildProgress {
  seconds: number;
  /** Modules downloaded and packages compiled so far; what Go already has is not counted. */
  modules: number;
  packages: number;
}

/**
 * Builds the executables into the folder `into`, from the modules that its go.sum pins and nothing newer.
 * The machine's own settings of Go (GOFLAGS, GOTOOLCHAIN, GOPROXY and others) hold; what is set here is only
 * what makes the result the same everywhere. Throws BuildError with the end of what Go said.
 */
export async function build(
  recipe: Build,
  options: {
    into: string;
    platform: string;
    environment: NodeJS.ProcessEnv;
    progress: (progress: BuildProgress) => void;
  },
): Promise<void> {
  const [go] = await executablesOnPath("go", options.environment);
  if (go === undefined) throw new BuildError("there is no `go` on PATH");
  const [system = "", architecture = ""] = options.platform.split("-");
  const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-v", "-ldflags", recipe.ldflags];
  const child = spawn(go, ["build", ...flags, "-o", `${options.into}/`, ...recipe.packages], {
    cwd: recipe.folder,
    env: {
      ...options.environment,
      CGO_ENABLED: "0",
      GOOS: system,
      GOARCH: architecture,
      // A workspace above this folder would replace what go.sum pins.
      GOWORK: "off",
    },
    // Go ends by itself (SIGPIPE) at the next line it prints when this process is gone.
    stdio: ["ignore", "ignore", "pipe"],
  });

  const started = Date.now();
  const said: string[] = [];
  const progress: BuildProgress = { seconds: 0, modules: 0, packages: 0 };
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (line.startsWith("go: downloading ")) progress.modules++;
    else if (/^[\w./~+-]+$/.test(line)) progress.packages++;
    else said.push(line);
  });
  const tick = () => {
    progress.seconds = Math.round((Date.now() - started) / 1000);
    options.progress({ ...progress });
  };
  const timer = setInterval(tick, 1000);
  try {
    const status = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(signal ?? code));
    });
    if (status !== 0)
      throw new BuildError(
        `go build ended with ${status}: ${said.slice(-8).join("; ") || "it said nothing"}`,
      );
  } finally {
    clearInterval(timer);
  }
}
