import { watch } from "node:fs";
import { dirname } from "node:path";

/**
 * Calls back whenever what lies beside a file is another version: both files of a pair belong to one once the manifest,
 * which is written last, is there.
 */
export function onNextVersion(file: string, read: () => void): void {
  watch(dirname(file), (_event, name) => {
    if (name === ".keyplane.json") read();
  });
}
