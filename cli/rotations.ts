import type { Command } from "commander";
import type { Model, Secret } from "../model/model.ts";
import type { Journal } from "../operations/rotation/journal.ts";
import type { Counting, KeyCensus } from "../operations/rotation/key-census.ts";
import type { KeyStatus } from "../operations/rotation/key-status.ts";
import type { Standing } from "../operations/rotation/schedule.ts";
import type { Status } from "../operations/rotation/status.ts";
import { define, type Invocation, type Result } from "./command.ts";
import { type ExitCode, exit, UsageError } from "./exit.ts";
import { askYes } from "./input.ts";
import { named, refuseKept } from "./rotate.ts";
import { censusCode, censusJson, censusText } from "./rotation-census.ts";
import {
  aboutOne,
  keptRows,
  minutes,
  pastText,
  retiredRows,
  rowText,
  shown,
  worst,
} from "./rotation-rows.ts";
import { resume } from "./rotations-resume.ts";

export function command(): Command {
  return (
    define({
      name: "rotations [name...]",
      summary: "say what is due, under way or stuck, and why",
      details:
        "A line per secret and encryption key: where it stands, when it was last rotated and when it is due. With names " +
        "also each one's history, and of what encrypts stored data each version, the rows under it, until when it is kept " +
        "and why it may not be retired: the tables are read for that, row by row. Exit code 1 when one is stuck, overdue, " +
        "refused, was rolled back or is on its way back, a key that was to be revoked may live, or a row is under no " +
        "version that its services can use; 3 when a table could not be read. Prints no value; without names, and of " +
        "anything else, it reads journals and metadata alone.",
      examples: [
        ["keyplane rotations", "all secrets and encryption keys of the environment"],
        ["keyplane rotations titan/hmac", "one of them, with its history"],
        ["keyplane rotations soma/crypto-fernet", "how many rows are under which version of a key"],
        ["keyplane rotations resume titan/hmac", "go on with it now"],
        ["keyplane rotations abort titan/hmac", "go back to the value before"],
      ],
      interruptible: true,
      run: status,
    })
      // What stands behind a subcommand is the subcommand's: both have --json, --dry-run and the others.
      .enablePositionalOptions()
      .addCommand(resume())
      .addCommand(abort())
  );
}

async function status(invocation: Invocation): Promise<Result> {
  const names = invocation.arguments;
  const [{ clockOf }, { historyOf, statusOf }, { keyStatusOf }, { withSession }, { leftRows }] =
    await Promise.all([
      import("../operations/rotation/runner.ts"),
      import("../operations/rotation/status.ts"),
      import("../operations/rotation/key-status.ts"),
      import("./session.ts"),
      import("./left-paths.ts"),
    ]);
  return withSession(invocation, "rotate", async ({ vault }, model, ca) => {
    const { secrets, keys, kept } = named(model, names);
    // Vault's: this machine's may be minutes off.
    const now = (await clockOf({ vault })).now();
    const [ofSecrets, ofKeys] = await Promise.all([
      statusOf({ vault, model }, secrets, now),
      keyStatusOf({ vault, model }, keys, now),
    ]);
    const details = names.length > 0;
    const { report, signal } = invocation;
    const counting = { vault, model, report, signal, ...(ca !== undefined && { ca }) };
    const counted = details ? await censuses(counting, ofSecrets, ofKeys, now) : new Map();
    const secretRows = ofSecrets.map((status) => secretRow(status, counted.get(status.secret.id)));
    const keyRows = ofKeys.map((status) => keyRow(status, counted.get(status.key.id)));
    const rows = [...secretRows, ...keyRows];
    const width = Math.max(0, ...rows.map(({ standing }) => standing.secret.length));
    const lines = rows.flatMap((row) => [
      line(row, width),
      ...(row.census === undefined ? [] : censusText(row.census)),
      ...(details ? [...notesOf(row.journal), ...historyOf(row.journal).map(pastText)] : []),
    ]);
    const told = rows.map(({ standing: { secret } }) => ({ secret }));
    const retired = details ? retiredRows([...secrets, ...keys, ...kept], told, exit.clean) : [];
    const left = details ? [] : await leftRows({ vault, model });
    const inSecretsManager = details ? keptRows(kept) : [];
    const asJson = ({ standing, journal, version, more, census }: Row) => ({
      ...standing,
      version,
      ...more,
      ...(standing.step === undefined ? { notes: journal?.notes ?? [] } : open(journal)),
      history: historyOf(journal),
      ...(census !== undefined && { census: censusJson(census) }),
    });
    return {
      json: {
        environment: model.environment,
        secrets: secretRows.map(asJson),
        encryptionKeys: keyRows.map(asJson),
        ...(retired.length > 0 && { retired }),
        ...(inSecretsManager.length > 0 && { inSecretsManager }),
        ...(left.length > 0 && { left }),
      },
      text: [...lines, ...[...retired, ...inSecretsManager, ...left].flatMap(rowText)].join("\n"),
      code: worst(rows.map((row) => ({ code: codeOfRow(row) }))),
    };
  });
}

/** What a line speaks of: a secret or an encryption key. */
interface Row {
  standing: Standing;
  /** Of the source, or of the key; 0 where there is none. */
  version: number;
  journal: Journal | undefined;
  /** For machines. */
  more: Record<string, unknown>;
  /** Of an encryption key that was asked for by name. */
  census?: KeyCensus;
}

/** What is stored under which version of each key that encrypts (R62), by the key's id. */
async function censuses(
  given: Omit<Counting, "reach"> & { ca?: string },
  secrets: readonly Status[],
  keys: readonly KeyStatus[],
  now: Date,
): Promise<Map<string, KeyCensus>> {
  const ofFernet = secrets.filter(({ secret, error }) => secret.kind === "fernet" && error === undefined);
  const readable = keys.filter(({ error }) => error === undefined);
  if (ofFernet.length + readable.length === 0) return new Map();
  const [{ censusOfFernet, censusOfKey }, { databaseReach }, { databasesCa }] = await Promise.all([
    import("../operations/rotation/key-census.ts"),
    import("../operations/rotation/connect.ts"),
    import("./rotation-session.ts"),
  ]);
  const ca = (await databasesCa()) ?? given.ca;
  const counting = { ...given, reach: databaseReach({ ...given, ...(ca !== undefined && { ca }) }) };
  const found = new Map<string, KeyCensus>();
  for (const status of ofFernet) found.set(status.secret.id, await censusOfFernet(counting, status, now));
  for (const status of readable) found.set(status.key.id, await censusOfKey(counting, status, now));
  return found;
}

function secretRow({ secret, standing, version, journal }: Status, census?: KeyCensus): Row {
  const { by, every = null } = secret.rotate;
  return { standing, version, journal, more: { by, every }, ...(census !== undefined && { census }) };
}

function keyRow({ key, standing, versions, journal }: KeyStatus, census?: KeyCensus): Row {
  const { latest = 0, decrypts = 0, available = 0 } = versions ?? {};
  const more = { by: "machine", every: key.autoRotate, retain: key.retain, decrypts, available };
  return { standing, version: latest, journal, more, ...(census !== undefined && { census }) };
}

function open(journal: Journal | undefined): Record<string, unknown> {
  const { id, owner, attempt, skipped, notes } = journal ?? {};
  return { rotation: id, owner, attempt, skipped, notes };
}

/** What was accepted unseen in the last rotation, such as a probe that could not be asked. */
function notesOf(journal: Journal | undefined): string[] {
  return (journal?.notes ?? []).map((note) => `  note: ${note}`);
}

/** One secret of this name, among those that a command takes. */
function chosen(model: Model, names: string[]): Secret[] {
  const { secrets, keys, kept } = named(model, names);
  const [key] = names.length > 0 ? keys : [];
  refuseKept(names.length > 0 ? kept : []);
  if (key === undefined) return secrets;
  throw new UsageError(
    `${key.id} is an encryption key: its versions only go forward, and the ones before decrypt until nothing needs them`,
  );
}

function codeOfRow(row: Row): ExitCode {
  if (isFinding(row)) return exit.finding;
  return row.census === undefined ? exit.clean : censusCode(row.census);
}

function isFinding({ standing, journal }: Row): boolean {
  const { state, lateness, isRefused = false, unrevoked = [] } = standing;
  if (state === "stuck" || state === "unreadable" || isRefused || unrevoked.length > 0) return true;
  return lateness === "overdue" || journal?.state === "rolled-back" || journal?.state === "rolling-back";
}

function line({ standing, version }: Row, width: number): string {
  const { state, lateness, last, due, why, step, since, until } = standing;
  const late = state === "by hand" && lateness !== "on time" ? `, ${lateness}` : "";
  const at = step === undefined ? "" : ` at ${step}${since === undefined ? "" : ` since ${minutes(since)}`}`;
  return [
    standing.secret.padEnd(width),
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

function abort(): Command {
  return define({
    name: "abort <name>",
    summary: "roll back the rotation of a secret",
    details:
      "Brings the value before back to signers first, then to listeners, and makes the target refuse the new one. Refused " +
      "once the old value may have been revoked: from there a rotation goes back only by itself, where the target refuses the " +
      "new value and accepts the old one.",
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
        const get = back === "" ? "nobody reads it any more" : `${back} get the value before`;
        const what = isPastReturn(journal)
          ? `${id} is at ${journal.state}: the old value may be refused already, so nobody can ask for the way back.`
          : `${id} would go back from ${journal.state} to version ${journal.from}: ${get}, and ` +
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
        return { ...aboutOne(rows), code: codeOf(rows) };
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
