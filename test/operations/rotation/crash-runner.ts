/** The runner that is killed: a process of its own, as the command is. Its input comes on standard input. */
import { text } from "node:stream/consumers";
import { abortRotation, type RotateOptions, rotate } from "../../../operations/rotation/engine.ts";
import { Calls } from "./counted.ts";
import { type CrashInput, openScenario } from "./crash.ts";
import { quick } from "./quick.ts";

const input = JSON.parse(await text(process.stdin)) as CrashInput;
const calls = new Calls(input.at);
const { subject, close } = await openScenario(input, input.data, calls.count);
try {
  const options: Omit<RotateOptions, "reason"> = {
    ...calls.wrap(subject),
    ...quick,
    ...(input.lease !== undefined && { lease: input.lease }),
    by: "keyplane.rotate",
    wait: true,
    report: ({ subject: of, state, text: said }) => console.error(`${of} ${state} ${said}`),
  };
  const outcome =
    input.rollsBack === "aborted"
      ? await abortRotation({ ...options, why: "aborted" })
      : await rotate({ ...options, reason: input.reason });
  console.log(JSON.stringify({ outcome, calls: calls.all }));
} finally {
  await close();
}
