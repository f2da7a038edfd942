import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { milliseconds, type Row, type Scale, sideBySide } from "./measure.ts";

/** Import of the whole program beside import of the bare Pulumi SDK, each in a process of its own. */
export async function importsOfProgram({ full }: Scale): Promise<Row[]> {
  const load = (code: string) => () =>
    promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code]);
  const { sdk, program } = await sideBySide(full ? 15 : 7, {
    sdk: load(`await import("@pulumi/pulumi")`),
    program: load(`await import(${JSON.stringify(new URL("../infra/index.ts", import.meta.url).href)})`),
  });
  return [
    {
      what: "Import of the whole program ÷ of the bare Pulumi SDK",
      measured: `${milliseconds(program)} ÷ ${milliseconds(sdk)}`,
      ratio: program / sdk,
      goal: "≤ 1.05",
    },
  ];
}
