import type { Command } from "commander";
import type { Model } from "../model/model.ts";
import type { Runner } from "../operations/rotation/runner.ts";
import { define, type Invocation } from "./command.ts";
import { exit, UsageError } from "./exit.ts";
import { named, refuseKept } from "./rotate.ts";
import { aboutOne, retiredRows, rowText, shown, worst } from "./rotation-rows.ts";

export function resume(): Command {
  return define({
    name: "resume [name...]",
    summary: "go on with rotations that are under way",
    details:
      "Takes each as far as it goes now; without names all that are under way. Of a named secret that a person makes, --by " +
      "says who has seen the old value unused and has revoked it; the journal keeps that. It is not taken before every " +
      "consumer has left the old value.",
    examples: [
      ["keyplane rotations resume", "everything that is under way"],
      ["keyplane rotations resume titan/binance --by ada", "ada has revoked the old key"],
      [
        "keyplane rotations resume titan/hmac --over-version 7",
        "somebody wrote version 7 of its source meanwhile: it goes, and the rotation ends",
      ],
    ],
    interruptible: true,
    configure: (own) =>
      own
        .option("--by <person>", "who has seen the old value unused and revoked it, of what a person makes")
        .option("--over-version <n>", "a version of the source that somebody else wrote, and that may go")
        .option("--wait", "stay until the overlap has passed and the old value is revoked", false)
        .option("--root <folder>", "this machine is the services' host: its root, usually /")
        .option("--project <folder>", "folder of the Compose project, for relative paths"),
    async run(invocation) {
      const wait = invocation.options.wait === true;
      const isNamed = invocation.arguments.length > 0;
      const overVersion = overVersionOf(invocation);
      refuseUnheard(invocation);
      const [
        { planMany },
        { resumeConfirmed, resumeOver, rotateMany },
        { planKeys },
        { keyPlanText, planText },
        { withRunner },
      ] = await Promise.all([
        import("../operations/rotation/fleet-plan.ts"),
        import("../operations/rotation/fleet-runner.ts"),
        import("../operations/rotation/key-runner.ts"),
        import("./rotation-plan.ts"),
        import("./rotation-session.ts"),
      ]);
      return withRunner(invocation, { wait }, async (runner) => {
        const { secrets, keys, kept } = named(runner.model, invocation.arguments);
        refuseKept(isNamed ? kept : []);
        const confirmedBy = confirmer(invocation, runner);
        if (confirmedBy !== undefined)
          refuseWordOf([...secrets.filter(({ rotate }) => rotate.by !== "hand"), ...keys]);
        const wanted = { what: "under way", isNamed } as const;
        if (invocation.dryRun) {
          const plans = await planMany(runner, secrets, wanted);
          const keyPlans = await planKeys(runner, keys, wanted);
          const lines = [...plans.flatMap(planText), ...keyPlans.flatMap(keyPlanText)];
          const text = lines.length > 0 ? lines.join("\n") : "Nothing is under way that could go on now.";
          return {
            json: { environment: invocation.environment, dryRun: true, plans: [...plans, ...keyPlans] },
            text,
          };
        }
        const [only] = secrets;
        if (overVersion !== undefined && only !== undefined) {
          const resumed = await resumeOver(runner, only, { wait, overVersion });
          return aboutOne(resumed.map((row) => shown(row, true)));
        }
        const resumed =
          confirmedBy === undefined
            ? await rotateMany(runner, secrets, wanted, { wait, keys })
            : await resumeConfirmed(runner, secrets, { wait, confirmedBy });
        const rows = resumed.map((row) => shown(row, true));
        if (isNamed) rows.push(...retiredRows([...secrets, ...keys], rows, exit.clean));
        return {
          json: { environment: invocation.environment, rotations: rows },
          text:
            rows.length > 0 ? rows.flatMap(rowText).join("\n") : "Nothing is under way that could go on now.",
          code: worst(rows),
        };
      });
    },
  });
}

/** @throws UsageError where it is no version, or of no one secret */
function overVersionOf({ options, arguments: names }: Invocation): number | undefined {
  const said = options.overVersion;
  if (said === undefined) return undefined;
  const version = Number(said);
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new UsageError("--over-version takes the number that the rotation names, e.g. 7");
  }
  if (names.length !== 1) throw new UsageError("--over-version is of one secret: name it");
  return version;
}

/** A person's word is of what they name, and of nothing else that the command does. @throws UsageError */
function refuseUnheard({ options: { by, overVersion }, arguments: names }: Invocation): void {
  if (by === undefined) return;
  if (names.length === 0) {
    throw new UsageError(
      "--by is of what a person makes: name it, keyplane rotations resume NAME --by PERSON",
    );
  }
  if (overVersion !== undefined) {
    throw new UsageError(
      "--over-version says nothing of the old value: give --by in a run of its own, after that",
    );
  }
}

/** @throws UsageError where the old value of one of them is no person's to revoke */
function refuseWordOf(others: readonly { id: string }[]): void {
  if (others.length === 0) return;
  const ids = others.map(({ id }) => id).join(", ");
  throw new UsageError(
    `--by is of what a person makes, and a machine makes ${ids}: resume that without --by`,
  );
}

/**
 * Who says that old values are revoked, and who has passed it on: the actor of a workflow's run, or the person whose token
 * it is. To resume by name alone says nothing.
 * @throws UsageError where the catalogue does not know them
 */
function confirmer(
  { options }: Invocation,
  { by, model }: Pick<Runner, "by"> & { model: Pick<Model, "people"> },
): string | undefined {
  if (typeof options.by !== "string") return undefined;
  const people = model.people.map(({ name }) => name);
  if (!people.includes(options.by)) {
    // What is pasted there by mistake is not repeated.
    throw new UsageError(`--by names nobody of the catalogue; there are ${people.join(", ")}`);
  }
  const actor = process.env.GITHUB_ACTIONS === "true" ? process.env.GITHUB_ACTOR : undefined;
  const who = actor === undefined ? options.by : `${options.by}, told by ${actor} of GitHub`;
  return by.startsWith("keyplane.") ? `${who} (as ${by})` : `${who}, told by ${by}`;
}
