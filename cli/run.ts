import type { Command } from "commander";
import { define, type Invocation, type Result } from "./command.ts";
import { UsageError } from "./exit.ts";
import { runsOf } from "./runs.ts";

export function command(): Command {
  return define({
    name: "run <service> [command...]",
    summary: "start a process with what its service is delivered",
    details:
      "Logs in as the service, gives the command its variables and its files (in a folder in memory that only the " +
      "user may enter, to which the _FILE variables point), passes signals on and ends with the command's exit code. " +
      "While it runs, new versions are brought the way the service's reload says: a restart, files that are written " +
      "again, a signal. Vault may be away meanwhile. Credentials: VAULT_TOKEN; or VAULT_ROLE_ID with " +
      "VAULT_SECRET_ID_FILE; the local stack makes its own.",
    examples: [
      ["keyplane run titan/titan-brain -- node brain.js", "start it and keep it up to date"],
      ["keyplane run titan/titan-brain --dry-run", "which variables it would get, and from where"],
    ],
    ownSignals: true,
    configure: (run) =>
      run
        .option("--poll <duration>", "time between two looks at Vault", "5s")
        .option("--grace <duration>", "time to end before it is killed, when it is started again", "10s"),
    run: async (invocation) => {
      const [service = "", ...words] = invocation.arguments;
      const { poll, grace } = invocation.options;
      const times = { poll: milliseconds("--poll", poll), grace: milliseconds("--grace", grace) };
      if (invocation.dryRun) return plan(invocation, service);
      if (words.length === 0) throw new UsageError("name the command: keyplane run SERVICE -- COMMAND");
      if (invocation.json)
        throw new UsageError("--json goes with --dry-run: the output is the command's own");
      return start(invocation, service, words, times);
    },
  });
}

async function plan(invocation: Invocation, service: string): Promise<Result> {
  const [{ originsOf, serviceNamed }, { modelOf }] = await Promise.all([
    import("../operations/delivery/bundle.ts"),
    import("./session.ts"),
  ]);
  const model = await modelOf(invocation);
  const { reload } = serviceNamed(model, service);
  const variables = originsOf(model, service);
  const width = Math.max(0, ...variables.map(({ variable }) => variable.length));
  const lines = variables.map(
    ({ variable, from, file }) =>
      `${variable.padEnd(width)}  ${from}${file === undefined ? "" : `, in the file ${file}`}`,
  );
  const how = typeof reload === "string" ? reload : `signal ${reload.signal}`;
  const text = [...(lines.length > 0 ? lines : ["It is delivered nothing."]), `A new version: ${how}.`].join(
    "\n",
  );
  return { json: { service, reload, variables }, text };
}

async function start(
  invocation: Invocation,
  service: string,
  words: string[],
  times: { poll: number; grace: number },
): Promise<Result> {
  const [{ bundleOf, serviceNamed }, { loginAsService, ServiceSession }, { supervise }, { withVault }] =
    await Promise.all([
      import("../operations/delivery/bundle.ts"),
      import("../operations/delivery/service-login.ts"),
      import("../operations/delivery/supervisor.ts"),
      import("./session.ts"),
    ]);
  return withVault(invocation, async (vault, { model, sign }) => {
    const known = serviceNamed(model, service);
    const { env } = process;
    const { runs } = await runsOf(invocation, model);
    const session = new ServiceSession(() => loginAsService({ model, vault, service, env, sign }));
    try {
      const code = await supervise({
        service: known,
        command: words,
        env,
        read: () => session.use((reader) => bundleOf(reader, model, service)),
        runs,
        report: invocation.report,
        ...times,
      });
      return { json: undefined, text: "", code };
    } finally {
      // Vault may be away; the token ends by itself.
      await session.end().catch(() => {});
    }
  });
}

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };

function milliseconds(option: string, text: unknown): number {
  const [, count = "", unit = ""] = /^([1-9][0-9]{0,5})(ms|s|m)$/.exec(String(text)) ?? [];
  const size = units[unit];
  if (size === undefined) throw new UsageError(`${option} takes a duration such as 5s, 500ms or 1m`);
  return Number(count) * size;
}
