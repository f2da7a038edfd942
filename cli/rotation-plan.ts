import type { PlannedRow } from "../operations/rotation/fleet-plan.ts";
import type { PlannedBeginning, PlannedKey } from "../operations/rotation/key-runner.ts";
import type { PlannedDelivery, RotationPlan } from "../operations/rotation/plan.ts";
import { atIt, enteringWith } from "../operations/rotation/takeover.ts";
import { lasting } from "./rotation-progress.ts";

/** The plan of one secret's rotation, for people. */
export function planText(row: PlannedRow): string[] {
  const { secret } = row;
  if (row.does === "goes on") return goesOn(row);
  if (row.does === "nothing") return [notBegun(row)];
  const title = `${secret}: would rotate (${row.plan.reason}).`;
  return [title, ...[...gates(row), ...linesOf(row.plan)].map((line) => `  ${line}`)];
}

/** In the words of the run itself. */
function goesOn(row: Extract<PlannedRow, { does: "goes on" }>): string[] {
  const { secret, at, reason, hastens, waiting, busy, follows } = row;
  const why = waiting === undefined ? "" : ` (${waiting})`;
  const haste = hastens === undefined ? "" : `, hastened (${hastens} before, ${reason} now)`;
  const isUrgent = reason === "compromise" || reason === "leaver";
  const lines = [
    ...(busy === undefined
      ? []
      : [
          `${busy.owner} holds it until ${busy.until}: ${isUrgent ? "would be asked for haste, and waited for; dead, it is taken over then" : "it is left to that runner"}`,
        ]),
    ...(follows === undefined
      ? []
      : [
          `then: ${enteringWith({ attempt: 1, reason: follows.reason, state: "generate" })}, since the new value of the one under way may be the one that leaked:`,
          ...linesOf(follows).map((line) => `  ${line}`),
        ]),
  ];
  const title =
    busy === undefined
      ? `${enteringWith({ attempt: 2, reason, state: at })}${haste}${why}`
      : `${atIt({ owner: busy.owner, state: at })}${haste}${why}`;
  return [`${secret}: ${title}.`, ...lines.map((line) => `  ${line}`)];
}

function linesOf(plan: RotationPlan): string[] {
  const { overlap, watch, settles, earliestEnd } = plan.times;
  return [
    ...(plan.impact === undefined ? [] : [`impact: ${plan.impact}`]),
    ...(plan.meanwhile === undefined ? [] : [plan.meanwhile]),
    ...(plan.window === undefined ? [] : [window(plan.window)]),
    ...moments(plan.deliveries),
    plan.restarts.length === 0 ? "restarts nothing" : `restarts, in this order: ${plan.restarts.join(", ")}`,
    `watches error rates for ${lasting(watch)}; both values are accepted for ${lasting(overlap)}`,
    ...(plan.jobs === undefined ? [] : [jobs(plan.jobs)]),
    ...(settles === 0 ? [] : [`gives ${lasting(settles)} to who cannot be seen to take up a new value`]),
    `ends not before ${earliestEnd.toISOString()}`,
    idle(plan.idle),
    ...plan.unobservable.map((what) => `cannot be seen: ${what}`),
    ...plan.byHand.map((what) => `by hand: ${what}`),
    ...plan.unprobed.map((what) => `would not be probed: ${what}`),
    ...plan.skipped.map((what) => `left out: ${what}`),
  ];
}

/** What has to let it begin. */
function gates(row: Extract<PlannedRow, { does: "begins" }> | PlannedBeginning): string[] {
  const { blackout, evidence } = row;
  return [
    ...("refused" in row && row.refused !== undefined ? [`would be refused: ${row.refused}`] : []),
    ...(blackout === undefined ? [] : [`not before ${blackout.until}: ${blackout.reason}`]),
    ...(evidence?.state === "refused" ? [`would be refused: ${evidence.why}`] : []),
    ...(evidence?.state === "shown" ? [shownBy(evidence)] : []),
    ...(evidence?.state === "not needed" ? [evidence.why] : []),
  ];
}

function shownBy({ rotation, notProbed }: { rotation: string; notProbed: string[] }): string {
  const but =
    notProbed.length === 0 ? "" : `, which nobody could probe at ${notProbed.join(", ")} (observe: none)`;
  return `shown by rotation ${rotation}${but}`;
}

/** The plan of one encryption key's rotation, for people. */
export function keyPlanText(row: PlannedKey): string[] {
  const { secret } = row;
  if (row.does === "goes on" || row.does === "nothing") return [notBegun(row)];
  const lines = [
    ...gates(row),
    ...row.rewraps.map((column) => `rewraps ${column}; no plaintext leaves Vault`),
    row.rewraps.length === 0
      ? "the catalogue names no stored ciphertext: old versions stay, because something may need them"
      : `refuses the versions before once no row needs them, and deletes them ${row.keptUntil === undefined ? "then" : `not before ${row.keptUntil}`}`,
    ...row.skipped.map((what) => `left out: ${what}`),
  ];
  const title = `${secret}: would ${row.after === undefined ? "" : `end what is at ${row.after}, then `}${made(row)}.`;
  return [title, ...lines.map((line) => `  ${line}`)];
}

function made(row: PlannedBeginning): string {
  if (row.does === "makes a version") return `make a version after ${row.from} (${row.reason})`;
  return row.isShown
    ? `make no version: an earlier rotation has replaced those before ${row.to}`
    : `make no version: Vault has made version ${row.to} by itself`;
}

function notBegun(row: Extract<PlannedRow | PlannedKey, { does: "goes on" | "nothing" }>): string {
  if (row.does === "nothing") return `${row.secret}: would do nothing: ${row.why}.`;
  return `${row.secret}: would go on at ${row.at}${row.waiting === undefined ? "" : ` (${row.waiting})`}.`;
}

/** From the change until they have it: a few calls; where the runner dies in between, what others need to take over. */
function window({ refused, takeover }: NonNullable<RotationPlan["window"]>): string {
  return (
    `refused from then until brought the new one and restarted: ${refused.join(", ")}; should this run die in between, others ` +
    `may go on ${lasting(takeover.lease)} later (\`rotations resume\`), and the next \`rotate --due\` does, at most ` +
    `${lasting(takeover.latest)} later where it runs every quarter of an hour`
  );
}

/** Nobody can make a job read its values again. */
function jobs({ ids, waits }: NonNullable<RotationPlan["jobs"]>): string {
  const who = `a job that began before the switch has the old value (${ids.join(", ")})`;
  return waits === 0
    ? `${who}, which is refused from then on: run it again`
    : `${who}: revokes ${lasting(waits)} after the switch at the earliest`;
}

const titles = {
  listeners: "first, to those who accept",
  signers: "then, to those who sign or log in",
  revocation: "at the end, without the old value",
};

function moments(deliveries: PlannedDelivery[]): string[] {
  return (["listeners", "signers", "revocation"] as const).flatMap((moment) => {
    const here = deliveries.filter((delivery) => delivery.moment === moment);
    if (here.length === 0) return [];
    return [`${titles[moment]}:`, ...here.flatMap(delivery)];
  });
}

function delivery({ consumer, gets, sinks, reload, probes }: PlannedDelivery): string[] {
  const place = sinks.length > 0 ? sinks.join(", ") : "reads Vault itself";
  const how =
    reload === undefined ? "" : `, ${typeof reload === "string" ? reload : `signal ${reload.signal}`}`;
  return [
    `  ${consumer}: ${gets} (${place}${how})`,
    ...(probes.length > 0 ? [`    probed by ${probes.join(", ")}`] : []),
  ];
}

function idle(source: { source: string; metric?: string } | undefined): string {
  if (source === undefined)
    return "nothing says whether the old value is unused: it would stop before revoking";
  if (source.source === "none") return "revokes without seeing whether the old value is unused (idle: none)";
  const how: Record<string, string> = {
    sinks: "each consumer is seen to run the new one",
    census: "no stored ciphertext is left under it",
  };
  return `revokes once the old value is seen unused: ${source.metric ?? how[source.source] ?? source.source}`;
}
