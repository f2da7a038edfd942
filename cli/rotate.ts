import { type Command, Option } from "commander";
import type { AwsSecret } from "../model/aws.ts";
import type { EncryptionKey, Model, Secret } from "../model/model.ts";
import type { Asked } from "../operations/rotation/secrets-manager.ts";
import type { Wanted } from "../operations/rotation/status.ts";
import { define, type Invocation, type Result } from "./command.ts";
import { exit, UsageError } from "./exit.ts";
import { askYes } from "./input.ts";
import { retiredRows, rowText, shown, worst } from "./rotation-rows.ts";

type Reason = "scheduled" | "compromise" | "leaver";

export function command(): Command {
  return define({
    name: "rotate [name...]",
    summary: "replace secrets without downtime",
    details:
      "Makes the next value, brings it to listeners before signers, probes it, watches error rates, and revokes the old " +
      "one once the overlap has passed and it is seen to be unused. Where only the overlap has to pass, the command ends; " +
      "the next `keyplane rotate --due` goes on. May be stopped anywhere and run again anywhere. --reason compromise " +
      "takes the shortest safe path and says what it left out. --due also has Secrets Manager rotate what it is late with, " +
      "--all everything that it keeps, and a name the database user of that name (with a compromise or a leaver twice, since " +
      "the login of before works until its next turn), as the role AWS_ROLE_ARN or by the credentials of the environment. " +
      "Exit codes: 0 done, or waiting for its overlap as planned; 1 rolled back or on its way back, stuck or refused; " +
      "3 unreachable; 4 stopped half-way.",
    examples: [
      [
        "keyplane rotate titan/hmac --dry-run",
        "the plan: consumers in order, restarts, probes, impact, times",
      ],
      ["keyplane rotate titan/hmac", "as far as it goes now"],
      ["keyplane rotate --due", "what a CronJob runs: everything due, and what is under way"],
      [
        "keyplane rotate titan/hmac --reason compromise --yes",
        "at once: the old value is refused in seconds",
      ],
    ],
    interruptible: true,
    configure: (rotate) =>
      rotate
        .option("--due", "everything that is due, and what is under way", false)
        .option("--all", "every secret that a machine rotates, due or not", false)
        .addOption(
          new Option("--reason <reason>", "why")
            .choices(["scheduled", "compromise", "leaver"])
            .default("scheduled"),
        )
        .option(
          "--destroy-old-keys",
          "with --reason compromise or leaver: keep no old encryption key for backups",
          false,
        )
        .option("--wait", "stay until the overlap has passed and the old value is revoked", false)
        .option("--yes", "do not ask before what cannot be undone", false)
        .option("--root <folder>", "this machine is the services' host: its root, usually /")
        .option("--project <folder>", "folder of the Compose project, for relative paths"),
    async run(invocation) {
      const { due, all, wait, yes } = invocation.options;
      const reason = invocation.options.reason as Reason;
      const names = invocation.arguments;
      const ways = [names.length > 0, due === true, all === true].filter(Boolean).length;
      if (ways !== 1) throw new UsageError("name secrets, or write --due or --all: one of the three");
      if (due === true && reason !== "scheduled") {
        throw new UsageError(
          `--reason ${reason} goes with names or --all: what has leaked is not waited for to be due`,
        );
      }
      const destroys = invocation.options.destroyOldKeys === true;
      if (destroys && reason === "scheduled") {
        throw new UsageError(
          "--destroy-old-keys goes with --reason compromise or leaver: others keep old keys until they may go",
        );
      }
      const { knownModelOf } = await import("./session.ts");
      const model = await knownModelOf(invocation);
      const asked = named(model, names);
      const wanted: Wanted = due === true ? { what: "due" } : { what: "these", reason };
      if (invocation.dryRun) return plan(invocation, wanted);
      const impactsTold = all === true || reason !== "scheduled";
      if (impactsTold) {
        const { secrets, keys, kept } = asked;
        const everything = { secrets: inUse(secrets), keys: inUse(keys), kept: inUse(kept) };
        const asks = all === true ? everything : asked;
        await confirm(invocation, asks, reason, { yes: yes === true, destroys });
      }
      return rotate(invocation, wanted, { wait: wait === true, impactsTold });
    },
  });
}

/** What a command is about. */
interface Named {
  secrets: Secret[];
  keys: EncryptionKey[];
  /** Database users that Secrets Manager keeps and rotates. */
  kept: AwsSecret[];
}

/**
 * What has these names; everything where none is named. Retired ones are among them: a rotation of before may not have
 * ended.
 */
export function named(model: Model, names: string[]): Named {
  const { secrets, encryptionKeys: keys } = model;
  const inStore = model.aws?.secrets ?? [];
  if (names.length === 0) return { secrets, keys, kept: inStore };
  const kept = inStore.filter(({ id, name }) => names.includes(id) || names.includes(name));
  const all = [...secrets, ...keys, ...inStore];
  const known = new Set([...all.map(({ id }) => id), ...kept.map(({ name }) => name)]);
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    const used = inUse(all).map(({ id }) => id);
    throw unknownName(unknown, used, model.environment);
  }
  const isAsked = ({ id }: { id: string }) => names.includes(id);
  return { secrets: secrets.filter(isAsked), keys: keys.filter(isAsked), kept };
}

/** Its rotations are Secrets Manager's, which ends what it has begun. @throws UsageError where one is named */
export function refuseKept([kept]: readonly AwsSecret[]): void {
  if (kept === undefined) return;
  throw new UsageError(
    `Secrets Manager keeps ${kept.id} (${kept.name}) and ends by itself what it has begun: ` +
      `\`keyplane rotate ${kept.id}\` goes on with it`,
  );
}

function inUse<Item extends Pick<Secret, "retired">>(items: readonly Item[]): Item[] {
  return items.filter(({ retired }) => retired === undefined);
}

/** What looks like a value is not repeated. */
function unknownName(name: string, known: string[], environment: string): UsageError {
  const isName = /^[a-z][a-z0-9_-]{0,39}\/[a-z][a-z0-9_-]{0,39}$/.test(name);
  const said = isName ? `${name} is no secret of ${environment}` : "write secrets as system/secret";
  const of = known.filter((id) => id.startsWith(`${name.split("/")[0]}/`));
  return new UsageError(isName && of.length > 0 ? `${said}; that system has ${of.join(", ")}` : said);
}

/** Before everything is rotated, or an old value is refused without waiting for those who still use it. */
async function confirm(
  { report }: Invocation,
  asks: Named,
  reason: Reason,
  { yes, destroys }: { yes: boolean; destroys: boolean },
): Promise<void> {
  const short =
    reason === "scheduled" ? "" : " The old values are refused at once, also to whoever still uses them.";
  const lost = destroys
    ? " Old encryption keys are destroyed at once: what backups hold under them is lost for good."
    : "";
  const impacts = asks.secrets.flatMap(({ id, impact }) =>
    impact === undefined ? [] : [`${id}: ${impact}`],
  );
  for (const impact of impacts) report({ subject: "impact", state: "unchanged", text: impact });
  if (yes) return;
  const question = `Rotate ${counted(asks)} (${reason})?${short}${lost} A revoked value cannot be brought back.`;
  if (!process.stdin.isTTY) throw new UsageError(`${question} Answer with --yes`);
  if (!(await askYes(`${question} [y/N] `, process.stdin, process.stderr))) {
    throw new UsageError("nothing was rotated: the answer was not yes");
  }
}

/** "titan/hmac", or "3 secrets and 1 encryption key, and 1 in Secrets Manager". */
export function counted({ secrets, keys, kept }: Named): string {
  const [only, ...more] = [...secrets, ...keys, ...kept];
  if (only !== undefined && more.length === 0) return only.id;
  const some = (count: number, what: string) =>
    count === 0 ? [] : [`${count} ${what}${count === 1 ? "" : "s"}`];
  const ours = [...some(secrets.length, "secret"), ...some(keys.length, "encryption key")].join(" and ");
  if (kept.length === 0) return ours;
  return `${ours === "" ? "" : `${ours}, and `}${kept.length} in Secrets Manager`;
}

/** What Secrets Manager keeps goes with what is due, with all, and by name. */
function askedOf(wanted: Wanted): Asked {
  if (wanted.what !== "these") return "overdue";
  return wanted.reason === "scheduled" ? "all" : "leaked";
}

async function rotate(
  invocation: Invocation,
  wanted: Wanted,
  { wait, impactsTold }: { wait: boolean; impactsTold: boolean },
): Promise<Result> {
  const [{ rotateMany }, { withRunner }, { rotateKept }] = await Promise.all([
    import("../operations/rotation/fleet-runner.ts"),
    import("./rotation-session.ts"),
    import("./kept-rotations.ts"),
  ]);
  return withRunner(invocation, { wait }, async (opened) => {
    const runner = { ...opened, destroysOld: invocation.options.destroyOldKeys === true, impactsTold };
    const { secrets, keys, kept: inStore } = named(runner.model, invocation.arguments);
    const asked = wanted.what === "these";
    const isNamed = invocation.arguments.length > 0;
    const [rows, kept] = await Promise.all([
      rotateMany(runner, secrets, wanted, { wait, keys }),
      rotateKept(invocation, runner, askedOf(wanted), inStore),
    ]);
    const isUrgent = wanted.what === "these" && wanted.reason !== "scheduled";
    const results = [
      ...rows.map((row) => shown(row, asked, isUrgent)),
      ...retiredRows(isNamed ? [...secrets, ...keys, ...inStore] : [], rows, exit.finding),
      ...kept,
    ];
    const told = results.filter(({ result }) => asked || result !== "unchanged");
    const text = told.flatMap(rowText);
    return {
      json: { environment: invocation.environment, rotations: results },
      text: text.length > 0 ? text.join("\n") : "Nothing is due.",
      code: worst(results),
    };
  });
}

async function plan(invocation: Invocation, wanted: Wanted): Promise<Result> {
  const [
    { planMany },
    { planKeys },
    { keyPlanText, planText },
    { withRunner },
    { rotateKept },
    { leftRows },
  ] = await Promise.all([
    import("../operations/rotation/fleet-plan.ts"),
    import("../operations/rotation/key-runner.ts"),
    import("./rotation-plan.ts"),
    import("./rotation-session.ts"),
    import("./kept-rotations.ts"),
    import("./left-paths.ts"),
  ]);
  return withRunner(invocation, { wait: false }, async (opened) => {
    const runner = { ...opened, destroysOld: invocation.options.destroyOldKeys === true };
    const { secrets, keys, kept: inStore } = named(runner.model, invocation.arguments);
    const plans = await planMany(runner, secrets, wanted);
    const keyPlans = await planKeys(runner, keys, wanted);
    const inSecretsManager = await rotateKept(invocation, runner, askedOf(wanted), inStore);
    const isNamed = invocation.arguments.length > 0;
    const left = isNamed ? [] : await leftRows(runner);
    const told = [...plans, ...keyPlans];
    const retired = retiredRows(isNamed ? [...secrets, ...keys, ...inStore] : [], told, exit.finding);
    const text = [
      ...plans.flatMap(planText),
      ...keyPlans.flatMap(keyPlanText),
      ...retired.flatMap(rowText),
      ...inSecretsManager.filter(({ result }) => result !== "unchanged").flatMap(rowText),
      ...left.flatMap(rowText),
    ];
    return {
      json: {
        environment: invocation.environment,
        dryRun: true,
        plans: told,
        inSecretsManager,
        ...(left.length > 0 && { left }),
      },
      text: text.length > 0 ? text.join("\n") : "Nothing is due.",
      code: worst([...inSecretsManager, ...retired]),
    };
  });
}
