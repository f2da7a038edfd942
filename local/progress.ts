/** The steps that everything under `local/` reports; they are the ones of the operations. */
export type { Report, Step } from "../operations/progress.ts";
