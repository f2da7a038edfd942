import { preview, update } from "../local/engine.ts";
import { loadCatalogue } from "../model/catalogue.ts";
import { milliseconds, type Row, type Scale, sideBySide } from "./measure.ts";
import { startBenchStack } from "./stack.ts";

/** A preview of the five systems without changes beside one of a program that declares nothing. */
export async function previewOfProgram({ full }: Scale): Promise<Row[]> {
  await using bench = await startBenchStack(await loadCatalogue("catalogue"));
  const { changes } = await bench.build();
  const quiet = () => {};
  const nothing = await bench.engine.stack("nothing", async () => {});
  await update(nothing, quiet);
  const { program, empty } = await sideBySide(full ? 9 : 5, {
    program: () => bench.previewUnchanged(),
    empty: async () => {
      await preview(await bench.engine.stack("nothing", async () => {}), quiet);
    },
  });
  return [
    {
      what: `No-change preview of the five systems (${changes.create} resources) ÷ of an empty program`,
      measured: `${milliseconds(program)} ÷ ${milliseconds(empty)}`,
      ratio: program / empty,
      goal: "≤ 1.3",
    },
  ];
}
