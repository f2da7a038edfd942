import { Problem } from "./problem.ts";

export function fail(what: string): never {
  throw new Problem(`it does not work: ${what}`);
}
