import type { AwsSecret } from "../model/aws.ts";
import type { Secret } from "../model/model.ts";
import { inWords } from "../operations/errors.ts";
import type { Row } from "../operations/rotation/fleet-runner.ts";
import { type Past, type State, type Step, steps } from "../operations/rotation/journal.ts";
import { type ExitCode, exit, exitCode } from "./exit.ts";
import { lasting } from "./rotation-progress.ts";

/** What became of one secret or key, for people and programs. */
export interface Shown {
  secret: string;
  /**
   * done, unchanged, drains, waits, busy, stuck, unreachable, rolling-back, rolled-back, refused, held, by hand, left, kept,
   * retired, failed.
   */
  result: string;
  text: string;
  code: ExitCode;
  [more: string]: unknown;
}

/**
 * @param asked whether the secrets were named: one that then does not begin is a finding, one that is only not yet due for
 * a reason is not
 * @param isUrgent whether something has leaked: then it is not enough that another runner is at it
 */
export function shown(row: Row, asked: boolean, isUrgent = false): Shown {
  if ("left" in row) {
    return { secret: row.secret, result: "by hand", text: row.left, code: asked ? exit.finding : exit.clean };
  }
  if ("held" in row) {
    const { why, until } = row.held;
    const begun = `did not begin: ${why}${until === undefined ? "" : ` (until ${until.toISOString()})`}`;
    const text = isUrgent ? `not revoked yet, ${begun}; run the same command again` : begun;
    const code = isUrgent || why === "stopped" ? exit.resumable : asked ? exit.finding : exit.clean;
    return { secret: row.secret, result: "held", text, code, ...(until && { until: until.toISOString() }) };
  }
  if ("error" in row) {
    const { error } = row;
    const text = inWords(error);
    const name = error instanceof Error ? error.name : "Error";
    if (name === "EvidenceError") {
      return { secret: row.secret, result: "refused", text, code: exit.finding, error: name };
    }
    if (name === "PersonNeededError") {
      const code = asked ? exit.finding : exit.clean;
      return { secret: row.secret, result: "by hand", text, code, error: name };
    }
    // A schedule runs on several machines: `keyplane rotations` tells what none of them rotates in time.
    if (name === "UnreachedError" && !asked) {
      return { secret: row.secret, result: "left", text, code: exit.clean, error: name };
    }
    return { secret: row.secret, result: "failed", text, code: exitCode(error), error: name };
  }
  return ofOutcome(row.secret, row.outcome, isUrgent);
}

function ofOutcome(
  secret: string,
  outcome: Extract<Row, { outcome: unknown }>["outcome"],
  isUrgent: boolean,
): Shown {
  const { state, waiting, failure, keptRefused, busy, isStuck, unchanged, doneBy, to, waitsFor } = outcome;
  const refused = refusedText(keptRefused);
  const common = (result: string, text: string, code: ExitCode): Shown => ({
    ...outcome,
    secret,
    result,
    text,
    code,
  });
  if (busy !== undefined) return common("busy", ...ofBusy(busy, isUrgent));
  if (unchanged && doneBy !== undefined) {
    const how =
      state === "rolled-back" ? `rolled it back: ${failure ?? "as was asked"}` : `rotated it, version ${to}`;
    const code = state === "rolled-back" || refused !== "" ? exit.finding : exit.clean;
    return common("unchanged", `left as it is: meanwhile ${doneBy} has ${how}${refused}`, code);
  }
  if (unchanged) return common("unchanged", "nothing is under way", exit.clean);
  if (state === "done") {
    const text = to === undefined ? "done" : `done, version ${to}`;
    return common("done", `${text}${refused}`, refused === "" ? exit.clean : exit.finding);
  }
  if (state === "rolled-back") {
    return common("rolled-back", `rolled back: ${failure ?? "as was asked"}${refused}`, exit.finding);
  }
  const isBack = state === "rolling-back";
  const why = `${isBack ? `${state} (${failure ?? "as was asked"})` : state}: ${waiting ?? "it goes on with the next run"}`;
  const next = isUrgent ? "run the same command again" : "a later `keyplane rotate --due` goes on";
  const unrevoked = isUrgent ? "not revoked yet, " : "";
  if (waitsFor === "target") return common("unreachable", `${unrevoked}at ${why}; ${next}`, exit.unreachable);
  if (isUrgent && !isStuck && isBefore(state, "drain")) {
    return common("waits", `${unrevoked}at ${why}; ${next}`, exit.resumable);
  }
  // What nobody can say the end of waits for somebody; the overlap waits for its time.
  if (isStuck || waitsFor !== "time") return common("stuck", `stuck at ${why}`, exit.finding);
  if (isBack) return common(state, `${isUrgent ? `${unrevoked}at ` : ""}${why}; ${next}`, exit.finding);
  return common("drains", `${why}; a later \`keyplane rotate --due\` goes on`, exit.clean);
}

function isBefore(state: State, step: Step): boolean {
  return steps.some((each) => each === state) && steps.indexOf(state as Step) < steps.indexOf(step);
}

/** A scheduled rotation goes on with whoever is at it; of what has leaked nothing is revoked yet. */
function ofBusy({ owner, until }: { owner: string; until: string }, isUrgent: boolean): [string, ExitCode] {
  if (!isUrgent) return [`${owner} is at it`, exit.clean];
  const text = `not revoked yet: ${owner} holds it until ${until} and was asked for haste; run the same command again`;
  return [text, exit.resumable];
}

/** The lines of all of them, with what a short path left out. */
export function rowText(row: Shown): string[] {
  const list = (name: string) => (Array.isArray(row[name]) ? (row[name] as string[]) : []);
  return [
    `${row.secret}: ${row.text}.`.replace(/\.\.$/, "."),
    ...list("skipped").map((text) => `  left out: ${text}`),
    ...list("notes").map((text) => `  note: ${text}`),
  ];
}

/** The answer of a command about one secret. What failed beside what it came to stands with it. */
export function aboutOne([row, ...beside]: readonly Shown[]): {
  json: unknown;
  text: string;
  code: ExitCode;
} {
  const rows = row === undefined ? [] : [row, ...beside];
  return {
    json: beside.length === 0 ? row : { ...row, beside },
    text: rows.flatMap(rowText).join("\n"),
    code: worst(rows),
  };
}

/** The line of a rotation that has ended. */
export function pastText(past: Past): string {
  const { outcome, reason, from, to, startedAt, endedAt, failure, keptRefused, confirmedBy } = past;
  const took = lasting((Date.parse(endedAt) - Date.parse(startedAt)) / 1000);
  const why = failure === undefined ? "" : `: ${failure}`;
  const who = confirmedBy === undefined ? "" : `; revoked by ${confirmedBy}`;
  const what = `${outcome} (${reason}), version ${from} → ${to}, in ${took}`;
  return `  ${minutes(new Date(startedAt))}  ${what}${why}${refusedText(keptRefused)}${who}`;
}

/** The target refuses the value that it ended with. */
function refusedText(keptRefused: string | undefined): string {
  return keptRefused === undefined ? "" : `, and refused: ${keptRefused}`;
}

/** A time as people read it, in UTC. */
export function minutes(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace("T", " ")}Z`;
}

/**
 * What was named and is retired, and of which nothing is left to be ended.
 * @param code where it was to be rotated, a finding
 */
export function retiredRows(
  named: readonly Pick<Secret, "id" | "retired">[],
  told: readonly { secret: string }[],
  code: ExitCode,
): Shown[] {
  const known = new Set(told.map(({ secret }) => secret));
  return named.flatMap(({ id: secret, retired }) => {
    if (retired === undefined || known.has(secret)) return [];
    const text = `retired since ${retired.since} (${retired.reason}), and nothing of it is under way`;
    return [{ secret, result: "retired", text, code }];
  });
}

/** What Secrets Manager keeps, for who asks for it by name: when it was rotated stands there. */
export function keptRows(kept: readonly AwsSecret[]): Shown[] {
  return kept
    .filter(({ retired }) => retired === undefined)
    .map(({ id, name, every, function: rotator }) => ({
      secret: id,
      result: "kept",
      text:
        `Secrets Manager keeps it as ${name} and rotates it every ${every} d (log /aws/lambda/${rotator}); ` +
        `\`keyplane rotate ${id}\` has it rotated now`,
      code: exit.clean,
    }));
}

/** The worst of them. */
export function worst(rows: readonly Pick<Shown, "code">[]): ExitCode {
  return rows.reduce<ExitCode>((most, { code }) => (code > most ? code : most), exit.clean);
}
