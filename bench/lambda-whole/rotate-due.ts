/** The function with what its first call loads, loaded at its start: bench/lambdas.ts tells what that costs. */
export { handler } from "../../lambdas/rotate-due/index.ts";

await import("../../lambdas/rotate-due/run.ts");
