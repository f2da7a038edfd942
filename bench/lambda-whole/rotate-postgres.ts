/** The function with what its first call loads, loaded at its start: bench/lambdas.ts tells what that costs. */
export { handler } from "../../lambdas/rotate-postgres/index.ts";

await import("../../lambdas/rotate-postgres/steps.ts");
