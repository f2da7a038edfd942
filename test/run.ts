/**
 * Runs every test with Node's own runner and ends with the plain line that `.ci/run` promises.
 * Arguments narrow it down: `node test/run.ts model integration/mfa`.
 */
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { startProgress } from "../cli/progress.ts";
import { cacheHome } from "../local/cache-home.ts";
import { keepCompiledCode } from "../local/compile-cache.ts";
import { ensureTools, ToolchainError } from "../local/toolchain/index.ts";
import { findShellcheck } from "../local/toolchain/shellcheck.ts";
import { findZizmor } from "../local/toolchain/zizmor.ts";
import { durations, keepDurations, longestFirst } from "./durations.ts";

const only = process.argv.slice(2);
const files = globSync("test/**/*.test.ts", { cwd: process.cwd() })
  .filter((file) => only.length === 0 || only.some((part) => file.includes(part)))
  .sort();

if (files.length === 0) {
  console.error(`No test file matches ${only.join(" ")}.`);
  process.exit(2);
}

// First of all, so that no test waits for a build of many minutes; and only what the chosen files need.
const pure = /^test\/((model|infra|clients|policies)\/|[^/]+$)/;
const progress = startProgress(process.stderr);
try {
  if (files.some((file) => !pure.test(file))) {
    await ensureTools(["age", "age-keygen", "sops", "pulumi", "vault"], progress.report);
  }
  if (files.some((file) => file.includes("kubernetes"))) {
    await ensureTools(["etcd", "kube-apiserver"], progress.report);
  }
  if (files.some((file) => file.includes("workflows"))) {
    await ensureTools(["actionlint"], progress.report);
    await findZizmor(progress.report);
    await findShellcheck(progress.report);
  }
  if (files.some((file) => file.includes("nats"))) await ensureTools(["nats-server"], progress.report);
  if (files.some((file) => file.includes("minio"))) await ensureTools(["minio"], progress.report);
} catch (error) {
  progress.end();
  // Without its tools no test says anything; whoever reads the last line only is told so as well.
  console.error(error instanceof ToolchainError ? error.message : error);
  console.log("0 passed, 1 failed");
  process.exit(1);
}
progress.end();

// A process per file: none compiles again what another one did.
const compiled = keepCompiledCode();
if (compiled !== undefined) process.env.NODE_COMPILE_CACHE ??= compiled;

// Nearly every process of a test lives for seconds and is given memory for time: V8 would clear a young space of 1 MB
// hundreds of times, Go's collector a heap of 4 MB.
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ""} --max-semi-space-size=32`.trimStart();
process.env.GOGC ??= "400";

const scale = process.env.KEYPLANE_SCALE === "prove" ? "-prove" : "";
const lasted = join(cacheHome(process.env), `test-durations${scale}.json`);
const counts = { passed: 0, failed: 0, skipped: 0 };
// One more than there are processors: servers start, leases end and engines wait for each other.
const stream = run({
  files: longestFirst(files, durations(lasted)),
  concurrency: availableParallelism() + 1,
  // As the command does it: most of them never use what takes longest to load.
  execArgv: ["--import", new URL("./lazily.ts", import.meta.url).href],
});
stream.on("test:pass", ({ details, skip, todo }) => {
  if (details.type === "suite") return;
  if (skip !== undefined || todo !== undefined) counts.skipped++;
  else counts.passed++;
});
stream.on("test:fail", ({ details }) => {
  if (details.type !== "suite") counts.failed++;
});
/** Where the time went, by file. */
const slowest: { file: string; seconds: number }[] = [];
const began = new Map<string, number>();
// Its own count of a file begins with the first test, after all that the file does when it is loaded.
stream.on("test:dequeue", ({ file }) => {
  if (file !== undefined && !began.has(file)) began.set(file, performance.now());
});
stream.on("test:summary", ({ file }) => {
  if (file === undefined) return;
  const seconds = (performance.now() - (began.get(file) ?? 0)) / 1000;
  slowest.push({ file: relative(process.cwd(), file), seconds });
});
stream.on("end", () => {
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
  setImmediate(() => {
    keepDurations(lasted, slowest);
    slowest.sort((one, other) => other.seconds - one.seconds);
    for (const { file, seconds } of slowest.slice(0, 15))
      console.log(`${seconds.toFixed(1).padStart(7)} s  ${file}`);
    console.log(
      `${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ""}`,
    );
  });
});
stream.compose(spec).pipe(process.stdout);
