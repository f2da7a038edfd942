import { type PathLike, readlinkSync } from "node:fs";
import files from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import type { Count } from "./counted.ts";

/** What is done with a file that is being written. */
const writes = ["chown", "chmod", "writeFile", "utimes", "sync"] as const;

/**
 * Counts each step of writing files: Node's own functions are exchanged, so that the code under test is the one that runs in
 * production.
 * @param stack takes the exchange back
 * @param isIn whether a path is one of those
 */
export function countFiles(stack: DisposableStack, isIn: (path: unknown) => boolean, count: Count): void {
  const { open, rename, rm } = files;
  // A folder that is open is reached by its descriptor.
  const isThere = (path: unknown) =>
    isIn(String(path).replace(/^\/proc\/self\/fd\/\d+/, (folder) => readlinkSync(folder)));
  exchange(stack, files, "open", async (path: PathLike, flags, mode) => {
    if (flags !== "wx" || !isThere(path)) return open(path, flags, mode);
    const file = await count("file open", () => open(path, flags, mode));
    for (const name of writes) {
      const write = file[name].bind(file) as (...given: unknown[]) => Promise<void>;
      Object.assign(file, { [name]: (...given: unknown[]) => count(`file ${name}`, () => write(...given)) });
    }
    return file;
  });
  exchange(stack, files, "rename", (from, to) =>
    isThere(to) ? count("file rename", () => rename(from, to)) : rename(from, to),
  );
  exchange(stack, files, "rm", (path, options) =>
    isThere(path) ? count("file rm", () => rm(path, options)) : rm(path, options),
  );
}

/** Puts a function in the place of another one, until the stack is disposed. */
export function exchange<Of extends object, Name extends keyof Of>(
  stack: DisposableStack,
  of: Of,
  name: Name,
  by: Of[Name],
): void {
  const before = of[name];
  of[name] = by;
  syncBuiltinESMExports();
  stack.defer(() => {
    of[name] = before;
    syncBuiltinESMExports();
  });
}
