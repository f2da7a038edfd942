import { parentPort, workerData } from "node:worker_threads";
import { Batch, type Share } from "./batch.ts";

const batch = new Batch(workerData as Share);
while (batch.scanSome());
parentPort?.postMessage(batch.results);
