import { setTimeout as wait } from "node:timers/promises";
import { define } from "../../cli/command.ts";
import { exitCode } from "../../cli/exit.ts";
import { printError } from "../../cli/output.ts";

// A command as `up` is one: it works in steps and looks at the signal between them. With `slow` a step takes a minute.
const step = process.argv[2] === "slow" ? 60_000 : 50;
const command = define({
  name: "steps",
  summary: "steps",
  examples: [["steps", "steps"]],
  interruptible: true,
  async run({ report, signal }) {
    process.stdout.write("started\n");
    for (let count = 0; count < 200; count++) {
      report({ subject: "step", state: "done", text: String(count) });
      await wait(step);
      if (!signal.aborted) continue;
      process.stdout.write("cleaned up\n");
      signal.throwIfAborted();
    }
    return { json: {}, text: "finished" };
  },
});

try {
  await command.parseAsync([], { from: "user" });
} catch (error) {
  process.exitCode = exitCode(error);
  await printError(error, false);
}
