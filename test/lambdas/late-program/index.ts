import { Problem } from "./problem.ts";

/** A program whose work is late, and fails with an error that its start knows. */
export async function handler(): Promise<{ isKnown: boolean; stack: string }> {
  const { fail } = await import("./work.ts");
  try {
    return fail("the port is taken");
  } catch (error) {
    return { isKnown: error instanceof Problem, stack: error instanceof Error ? (error.stack ?? "") : "" };
  }
}
