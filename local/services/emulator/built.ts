import { layout } from "../home.ts";
import { readIfThere, writePrivate } from "../private-file.ts";
import { ProcessTable } from "../process-table.ts";

/** Which process of the emulator serves now: another one has forgotten everything. */
async function serving(home: string): Promise<string> {
  const running = await (await ProcessTable.read(home)).find("aws");
  return running === undefined ? "" : `${running.pid} ${running.started}`;
}

/** Whether the emulator still holds what the last update built in it. */
export async function isBuilt(home: string): Promise<boolean> {
  return (await readIfThere(layout(home).aws.built)) === (await serving(home));
}

/** Says that an update has built the emulator that serves now. */
export async function markBuilt(home: string): Promise<void> {
  await writePrivate(layout(home).aws.built, await serving(home));
}
