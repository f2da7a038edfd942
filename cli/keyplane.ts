#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { keepCompiledCode } from "../local/compile-cache.ts";
import { loadSdkLazily } from "../local/lazy-sdk.ts";
import { exit, exitCode } from "./exit.ts";
import { printError, printJson } from "./output.ts";

/** Every command, with what loads it: `keyplane validate` must not pay for Pulumi. */
const commands: Record<string, { summary: string; load: () => Promise<{ command(): Command }> }> = {
  up: {
    summary: "bring up the local stack from the catalogue and show that it works",
    load: () => import("./up.ts"),
  },
  down: { summary: "stop the local stack", load: () => import("./down.ts") },
  status: {
    summary: "say what of the local stack runs, and where",
    load: () => import("./status.ts"),
  },
  validate: {
    summary: "check the catalogue and the Git bootstrap files",
    load: () => import("./validate.ts"),
  },
  check: {
    summary: "judge what the program would declare, by every policy",
    load: () => import("./check.ts"),
  },
  review: {
    summary: "judge another revision's catalogue by the rules of this one",
    load: () => import("./review.ts"),
  },
  stacks: {
    summary: "list the stacks of an environment, in the order of their updates",
    load: () => import("./stacks.ts"),
  },
  judge: {
    summary: "run pulumi preview or up, and count what the policy pack judged of it",
    load: () => import("./judge.ts"),
  },
  scan: {
    summary: "look for secrets in files, Git history and logs",
    load: () => import("./scan.ts"),
  },
  as: {
    summary: "run a command logged in as one of the platform's roles",
    load: () => import("./as.ts"),
  },
  post: {
    summary: "put a text into its one comment or issue on GitHub",
    load: () => import("./post.ts"),
  },
  set: { summary: "give a secret the value on standard input", load: () => import("./set.ts") },
  enrol: { summary: "hand a person their second factor, once", load: () => import("./enrol.ts") },
  rotate: { summary: "replace secrets without downtime", load: () => import("./rotate.ts") },
  rotations: {
    summary: "say what is due, under way or stuck, and why",
    load: () => import("./rotations.ts"),
  },
  run: { summary: "start a process with what its service is delivered", load: () => import("./run.ts") },
  database: {
    summary: "print what a DBA runs once, before Vault connects to a database",
    load: () => import("./database.ts"),
  },
  bundle: {
    summary: "make the code of the functions that AWS runs, for pulumi up",
    load: () => import("./bundle.ts"),
  },
  "env-example": {
    summary: "print the .env.example of a service: placeholders only",
    load: () => import("./env-example.ts"),
  },
  sops: { summary: "make the files of the Git bootstrap", load: () => import("./sops.ts") },
};

async function program(asked: string | undefined): Promise<Command> {
  const keyplane = new Command("keyplane")
    .description(
      "A secrets platform as code: one typed catalogue builds Vault with its policies, logins and database roles.",
    )
    .usage("<command> [options]")
    .helpCommand("help [command]", "explain a command")
    // A command's words and options stay together: `rotations` and its `abort` both have --json.
    .enablePositionalOptions()
    .addHelpText(
      "after",
      "\nExample:\n  $ keyplane validate\n      check everything before anything is changed",
    );
  for (const [name, { summary, load }] of Object.entries(commands)) {
    if (name === asked) keyplane.addCommand((await load()).command());
    else keyplane.command(name).summary(summary);
  }
  return keyplane;
}

async function main(argv: string[]): Promise<void> {
  const own = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const json = own.includes("--json");
  const words = own.filter((word) => !word.startsWith("-"));
  const keyplane = await program(words[0] === "help" ? words[1] : words[0]);
  for (const command of withSubcommands(keyplane)) {
    command.exitOverride();
    // As JSON the message is printed once, below.
    command.configureOutput({ writeErr: (text) => void (json || process.stderr.write(withoutValues(text))) });
  }
  try {
    await keyplane.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help that was asked for is no mistake; everything else commander has explained already.
      process.exitCode = error.exitCode === 0 ? exit.clean : exit.input;
      if (json && error.exitCode !== 0) {
        const message = withoutValues(error.message.replace(/^error: /, ""));
        await printJson({ error: { name: "UsageError", message }, exit: exit.input });
      }
      return;
    }
    process.exitCode = exitCode(error);
    await printError(error, json);
  }
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** A mistyped option or command may carry a value (`--fieldd=…`, `-pVALUE`): only what can be a name is repeated. */
function withoutValues(message: string): string {
  return message
    .replace(/unknown option '(--[^=']*|-[^-]?)[^']*'/g, "unknown option '$1'")
    .replace(/unknown command '(?![a-z-]{1,20}'(\s|$)).*'/s, "unknown command");
}

keepCompiledCode();
loadSdkLazily();
await main(process.argv.slice(2));
// What a library left open (an idle connection) must not keep the terminal waiting.
process.exit();
