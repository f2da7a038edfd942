import { getCompileCacheDir } from "node:module";
import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Hashes } from "../known.ts";
import { Batch, type ScannedFile, type Share } from "./batch.ts";

/** What one process does alone before others are worth their start. Bytes. */
const alone = 8_000_000;

/**
 * Scans files, on every processor once there is enough to do. What is gone, or no regular file, is left out.
 * @param paths where they lie
 * @param names what they are called: by it their syntax and known values are chosen
 * @param progress is told now and then how many are begun
 * @throws the signal's reason when it is aborted
 */
export async function scanFiles(
  paths: readonly string[],
  names: readonly string[],
  hashes: Hashes,
  { progress, signal }: { progress?: (done: number) => void; signal?: AbortSignal } = {},
): Promise<ScannedFile[]> {
  const share: Share = { paths, names, hashes, next: new SharedArrayBuffer(4) };
  const batch = new Batch(share);
  let others: Promise<ScannedFile[]>[] | undefined;
  try {
    while (batch.scanSome()) {
      progress?.(batch.begun);
      await setImmediate();
      signal?.throwIfAborted();
      if (others === undefined && batch.bytes > alone && batch.left > 0) others = start(share);
    }
    return [batch.results, ...(await Promise.all(others ?? []))].flat();
  } finally {
    // Whoever still scans finds nothing left.
    batch.stop();
    await Promise.allSettled(others ?? []);
  }
}

function start(share: Share): Promise<ScannedFile[]>[] {
  return Array.from({ length: Math.min(availableParallelism(), 8) - 1 }, () => ended(share));
}

function ended(share: Share): Promise<ScannedFile[]> {
  const worker = new Worker(new URL("batch-worker.ts", import.meta.url), {
    workerData: { share, compiled: getCompileCacheDir() },
  });
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`a worker of the scan ended with ${code}`)));
  });
}
