import { enableCompileCache } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type { Share } from "./batch.ts";

const { share, compiled } = workerData as { share: Share; compiled?: string };
// A thread does not inherit what its process keeps compiled: without it every module is compiled anew.
if (compiled !== undefined) enableCompileCache(compiled);
const { Batch } = await import("./batch.ts");
const batch = new Batch(share);
while (batch.scanSome());
parentPort?.postMessage(batch.results);
