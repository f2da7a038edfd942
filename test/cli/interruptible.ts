import { setTimeout as wait } from "node:timers/promises";
import { define } from "../../cli/command.ts";
import { exitCode } from "../../cli/exit.ts";
import { printError } from "../../cli/output.ts";

// A command as `up` is one: it works in steps and looks at the signal between them.
const command = define({
  name: "steps",
  summary: "steps",
  examples: [["steps", "steps"]],
  interruptible: true,
  async run({ report, signal }) {
    for (let step = 0; step < 200; step++) {
      report({ subject: "step", state: "done", text: String(step) });
      await wait(50);
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
