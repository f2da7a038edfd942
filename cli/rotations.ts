import type { Command } from "commander";
import type { Model, Secret } from "../model/model.ts";
import type { Status } from "../operations/rotation/status.ts";
import { define, type Invocation, type Result } from "./command.ts";
import { exit, UsageError } from "./exit.ts";
import { askYes } from "./input.ts";
import { unknownName } from "./rotate.ts";
import { lasting } from "./rotation-progress.ts";
import { rowText, shown, worst } from "./rotation-rows.ts";

export function command(): Command {
  return (
    define({
      name: "rotations [name...]",
      summary: "say what is due, under way or stuck, and why",
      details:
        "A line per secret: where it stands, when it was last rotated and when it is due. With names also each one's " +
        "history. Exit code 1 when one is stuck, overdue or was rolled back. Reads journals and metadata, never a value.",
      examples: [
        ["keyplane rotations", "all secrets of the environment"],
        ["keyplane rotations titan/hmac", "one of them, with its history"],
        ["keyplane rotations resume titan/hmac", "go on with it now"],
        ["keyplane rotations abort titan/hmac", "go back to the value before"],
      ],
      run: status,
    })
      // What stands behind a subcommand is the subcommand's: both have --json, --dry-run and the others.
      .enablePositionalOptions()
      .addCommand(resume())
      .addCommand(abort())
  );
}

async function status(invocation: Invocation): Promise<Result> {
  const [{ statusOf }, { withSession }] = await Promise.all([
    import("../operations/rotation/status.ts"),
    import("./session.ts"),
  ]);
  return withSession(invocation, "rotate", async ({ vault }, model) => {
    const names = invocation.arguments;
    const states = await statusOf({ vault, model }, chosen(model, names), new Date());
    const details = names.length > 0;
    const width = Math.max(0, ...states.map(({ secret }) => secret.id.length));
    const findings = states.filter(isFinding);
    return {
      json: { environment: model.environment, secrets: await Promise.all(states.map(asJson)) },
      text: (
        await Promise.all(
          states.map(async (one) => [line(one, width), ...(details ? await history(one) : [])].join("\n")),
        )
      ).join("\n"),
      ...(findings.length > 0 && { code: exit.finding }),
    };
  });
}

function chosen(model: Model, names: string[]): Secret[] {
  const secrets = model.secrets.filter(({ retired }) => retired === undefined);
  const known = secrets.map(({ id }) => id);
  for (const name of names) if (!known.includes(name)) throw unknownName(name, known, model.environment);
  return names.length === 0 ? secrets : secrets.filter(({ id }) => names.includes(id));
}

function isFinding({ standing, journal }: Status): boolean {
  return standing.state === "stuck" || standing.lateness === "overdue" || journal?.state === "rolled-back";
}

function line({ secret, standing, version }: Status, width: number): string {
  const { state, lateness, last, due, why, step, since, until } = standing;
  const late = state === "by hand" && lateness !== "on time" ? `, ${lateness}` : "";
  const at = step === undefined ? "" : ` at ${step}${since === undefined ? "" : ` since ${minutes(since)}`}`;
  return [
    secret.id.padEnd(width),
    `${state}${late}${at}`.padEnd(16),
    version === 0 ? "" : `version ${version}`,
    last === undefined ? "" : `of ${days(last)}`,
    due === undefined ? "" : `due ${days(due)}`,
    why === "" ? "" : `(${why})`,
    until === undefined ? "" : `until ${minutes(until)}`,
  ]
    .filter((part) => part !== "")
    .join("  ")
    .trimEnd();
}

async function history({ journal }: Status): Promise<string[]> {
  const { pastOf } = await import("../operations/rotation/status.ts");
  return pastOf(journal).map(({ outcome, reason, from, to, startedAt, endedAt, failure }) => {
    const took = lasting((Date.parse(endedAt) - Date.parse(startedAt)) / 1000);
    const why = failure === undefined ? "" : `: ${failure}`;
    return `  ${minutes(new Date(startedAt))}  ${outcome} (${reason}), version ${from} → ${to}, in ${took}${why}`;
  });
}

async function asJson({ secret, standing, version, journal }: Status): Promise<unknown> {
  const { pastOf } = await import("../operations/rotation/status.ts");
  const { owner, attempt, skipped, notes } = journal ?? {};
  const open = standing.step === undefined ? {} : { rotation: journal?.id, owner, attempt, skipped, notes };
  const { rotate } = secret;
  return {
    ...standing,
    version,
    by: rotate.by,
    every: rotate.every ?? null,
    ...open,
    history: pastOf(journal),
  };
}

function resume(): Command {
  return define({
    name: "resume [name...]",
    summary: "go on with rotations that are under way",
    details:
      "Takes each as far as it goes now; without names all that are under way. For a secret that a person makes, naming " +
      "it says that you have seen the old value unused and have revoked it.",
    examples: [
      ["keyplane rotations resume", "everything that is under way"],
      ["keyplane rotations resume titan/binance", "its owner has revoked the old key"],
    ],
    interruptible: true,
    configure: (own) =>
      own
        .option("--wait", "stay until the overlap has passed and the old value is revoked", false)
        .option("--root <folder>", "this machine is the services' host: its root, usually /")
        .option("--project <folder>", "folder of the Compose project, for relative paths"),
    async run(invocation) {
      const wait = invocation.options.wait === true;
      const [{ planMany }, { resumeConfirmed, rotateMany }, { planText }, { withRunner }] = await Promise.all(
        [
          import("../operations/rotation/fleet-plan.ts"),
          import("../operations/rotation/fleet-runner.ts"),
          import("./rotation-plan.ts"),
          import("./rotation-session.ts"),
        ],
      );
      return withRunner(invocation, { wait }, async (runner) => {
        const secrets = chosen(runner.model, invocation.arguments);
        const wanted = { what: "under way" } as const;
        if (invocation.dryRun) {
          const plans = await planMany(runner, secrets, wanted);
          const text = plans.length > 0 ? plans.flatMap(planText).join("\n") : "Nothing is under way.";
          return { json: { environment: invocation.environment, dryRun: true, plans }, text };
        }
        const named = invocation.arguments.length > 0;
        const byHand = secrets.filter(({ rotate }) => named && rotate.by === "hand");
        const others = secrets.filter((secret) => !byHand.includes(secret));
        const rows = [
          ...(await resumeConfirmed(runner, byHand, { wait })),
          ...(await rotateMany(runner, others, wanted, { wait })),
        ].map((row) => shown(row, true));
        return {
          json: { environment: invocation.environment, rotations: rows },
          text: rows.length > 0 ? rows.flatMap(rowText).join("\n") : "Nothing is under way.",
          code: worst(rows),
        };
      });
    },
  });
}

function abort(): Command {
  return define({
    name: "abort <name>",
    summary: "roll back the rotation of a secret",
    details:
      "Brings the value before back to signers first, then to listeners, and makes the target refuse the new one. Refused " +
      "once the old value may have been revoked: from there a rotation only goes forward.",
    examples: [
      ["keyplane rotations abort titan/hmac --dry-run", "what it would do"],
      ["keyplane rotations abort titan/hmac --yes", "do it"],
    ],
    interruptible: true,
    configure: (own) =>
      own
        .option("--yes", "do not ask", false)
        .option("--root <folder>", "this machine is the services' host: its root, usually /")
        .option("--project <folder>", "folder of the Compose project, for relative paths"),
    async run(invocation) {
      const [{ abortMany }, { isPastReturn, isUnderWay }, { readJournal }, { withRunner }] =
        await Promise.all([
          import("../operations/rotation/fleet-runner.ts"),
          import("../operations/rotation/journal.ts"),
          import("../operations/rotation/journal-store.ts"),
          import("./rotation-session.ts"),
        ]);
      return withRunner(invocation, { wait: true }, async (runner) => {
        const [secret] = chosen(runner.model, invocation.arguments);
        if (secret === undefined) throw new UsageError("name the secret: keyplane rotations abort NAME");
        const { journal } = await readJournal(runner, secret);
        const { id } = secret;
        if (journal === undefined || !isUnderWay(journal)) {
          return { json: { secret: id, result: "unchanged" }, text: `${id}: nothing is under way.` };
        }
        const back = secret.consumers.map(({ id: consumer }) => consumer).join(", ");
        const what = isPastReturn(journal)
          ? `${id} is at ${journal.state}: the old value may be refused already, so it can only go forward.`
          : `${id} would go back from ${journal.state} to version ${journal.from}: ${back} get the value before, and ` +
            "the new one is refused.";
        if (invocation.dryRun) {
          const code = isPastReturn(journal) ? exit.finding : exit.clean;
          return { json: { secret: id, state: journal.state, dryRun: true, would: what }, text: what, code };
        }
        if (invocation.options.yes !== true) {
          if (!process.stdin.isTTY) throw new UsageError(`${what} Answer with --yes`);
          const yes = await askYes(`${what} Go on? [y/N] `, process.stdin, process.stderr);
          if (!yes) throw new UsageError("nothing was rolled back: the answer was not yes");
        }
        const why = `${runner.by} asked for it`;
        const rows = (await abortMany(runner, [secret], why)).map((row) => shown(row, true));
        return { json: rows[0], text: rows.flatMap(rowText).join("\n"), code: codeOf(rows) };
      });
    },
  });
}

/** What was to be rolled back and was is no finding. */
function codeOf(rows: ReturnType<typeof shown>[]) {
  return worst(rows.map((row) => (row.result === "rolled-back" ? { ...row, code: exit.clean } : row)));
}

function days(time: Date): string {
  return time.toISOString().slice(0, 10);
}

function minutes(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace("T", " ")}Z`;
}
