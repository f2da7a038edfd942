/** The runner that is killed: a process of its own, as the command is. Its input comes on standard input. */
import { text } from "node:stream/consumers";
import { rotate } from "../../../operations/rotation/engine.ts";
import { Calls } from "./counted.ts";
import type { CrashInput, Scenario } from "./crash.ts";
import { quick } from "./quick.ts";

const input = JSON.parse(await text(process.stdin)) as CrashInput;
const { default: scenario } = (await import(input.scenario)) as { default: Scenario<unknown> };
const calls = new Calls(input.at);
const { subject, close } = await scenario.open(input.data, calls.count);
try {
  const outcome = await rotate({
    ...calls.wrap(subject),
    ...quick,
    reason: input.reason,
    ...(input.lease !== undefined && { lease: input.lease }),
    by: "keyplane.rotate",
    wait: true,
    report: ({ subject: of, state, text: said }) => console.error(`${of} ${state} ${said}`),
  });
  console.log(JSON.stringify({ outcome, calls: calls.all }));
} finally {
  await close();
}
