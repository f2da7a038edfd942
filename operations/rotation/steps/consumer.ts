import { keptId } from "../../../model/kept-names.ts";
import type { Consumer } from "../../../model/model.ts";
import { bundleOf } from "../../delivery/bundle.ts";
import { refuseUnreached } from "../../delivery/check-sinks.ts";
import {
  DeliveryError,
  type Running,
  type Sink,
  StaleBundleError,
  UnreachedError,
} from "../../delivery/sink.ts";
import { deliverTo, hasArrived, type Stand } from "../../values/deliver.ts";
import { ConflictError } from "../../values/kv.ts";
import { fieldsAt, type Moment, orderAt, type Phase, phaseAt, type Wanted } from "../../values/phases.ts";
import { byPerson } from "../by-person.ts";
import { isSwitching, type Journal } from "../journal.ts";
import type { Unprobed } from "../observer.ts";
import { holdsOneBefore } from "../overlap.ts";
import { ProbeError } from "../rotator.ts";
import type { Run, Turn } from "../run.ts";
import { after } from "../schedule.ts";
import { settlesOf } from "../settles.ts";
import { logMark, markLogs, unmarkLog } from "./log-marks.ts";
import { isDown, isLost, isUp, noteSeen, wasSeen } from "./seen.ts";

/** Consumers that a moment reaches, in its order, with what each is to hold. */
export function reachedAt(
  run: Run,
  moment: Moment,
  source: (phase: Phase) => number,
): { consumer: Consumer; wanted: Wanted }[] {
  return orderAt(run.secret.consumers, moment).flatMap((consumer) => {
    const phase = phaseAt(run.secret, consumer, moment, run.isFirst);
    return phase === undefined ? [] : [{ consumer, wanted: { source: source(phase), phase } }];
  });
}

/**
 * Brings consumers what they are to hold, one after the other: the path, each sink, and then it has to run it before
 * the next one gets anything (rolling, R33). Where the target accepts one value at a time nobody waits for another: who
 * has not got it yet is refused. What is there already is only looked at.
 * @returns what blocks, naming the consumer; undefined when all of them run it
 */
export async function bringAll(
  run: Run,
  reached: { consumer: Consumer; wanted: Wanted }[],
): Promise<Turn | undefined> {
  const { current, next } = await run.versions();
  if (run.rotator.replaces?.(next, current)) return bringTogether(run, reached);
  for (const { consumer, wanted } of reached) {
    await markLogs(run, [{ consumer, wanted }]);
    const lags = await bring(run, consumer, wanted);
    if (lags !== undefined) return lagging(run, consumer, wanted, lags);
  }
  return undefined;
}

async function bringTogether(
  run: Run,
  reached: { consumer: Consumer; wanted: Wanted }[],
): Promise<Turn | undefined> {
  run.stop.hold();
  await markLogs(run, reached);
  // All come to an end before a failure is told, so that nothing is done behind it.
  const ends = await Promise.allSettled(reached.map(({ consumer, wanted }) => bring(run, consumer, wanted)));
  const failures = ends.flatMap((end) => (end.status === "rejected" ? [lockedOut(run, end.reason)] : []));
  // What makes it go back is told before what another machine can bring: meanwhile somebody is locked out.
  if (failures.length > 0) throw failures.find((failure) => failure instanceof ProbeError) ?? failures[0];
  for (const [index, { consumer, wanted }] of reached.entries()) {
    const end = ends[index];
    if (end?.status === "fulfilled" && end.value !== undefined) {
      return lagging(run, consumer, wanted, end.value);
    }
  }
  return undefined;
}

/**
 * The target accepts the new value alone: who cannot be brought that is locked out until it accepts the old one again. Where
 * another machine has to bring it, nobody here knows how far that one is.
 */
function lockedOut({ journal }: Run, error: unknown): unknown {
  if (!(error instanceof DeliveryError) || error instanceof UnreachedError) return error;
  if (!isSwitching(journal)) return error;
  const why = `the new value cannot be brought to everybody, and it alone is accepted: ${error.message}`;
  return new ProbeError(why, { cause: error });
}

function lagging(run: Run, { id }: Consumer, { phase }: Wanted, lags: string): Turn {
  return { wait: `${id} does not run ${words[phase]}: ${lags}`, until: again(run) };
}

/** Looks whether all of them still run it, and brings it again to whoever does not: it may be new, or set back. */
export async function confirmAll(
  run: Run,
  reached: { consumer: Consumer; wanted: Wanted }[],
): Promise<Turn | undefined> {
  for (const one of reached) {
    if (await isThere(run, one.consumer, one.wanted)) continue;
    const lags = await bringAll(run, [one]);
    if (lags !== undefined) return lags;
  }
  return undefined;
}

async function isThere(run: Run, consumer: Consumer, wanted: Wanted): Promise<boolean> {
  const { arrived, version } = await hasArrived(run.writer, run.secret, consumer, wanted);
  if (!arrived) return false;
  for (const sink of run.sinks(consumer)) {
    const seen = await run.act(() => sink.running(keptId(run.secret), version));
    if (seen.state === "behind" || isLost(run, consumer, sink, seen)) return false;
  }
  return true;
}

/**
 * Whether a path holds what it held before the rotation, of which only its record may say more: nobody has to take it up. A
 * record that names the last version and no rotation is one of a version before 2026-11-29, which may have written either.
 */
export function isUntouched({ journal: { id, from, final } }: Run, { source, rotation }: Stand): boolean {
  if (source === 0 || rotation === id) return false;
  return source === from || (source === final && rotation !== undefined);
}

/**
 * Paths of whoever was a consumer when the rotation began and is none by this run's catalogue; noted is what became of them.
 */
export function noteGone(
  { journal: { paths = [] }, secret: { consumers }, note }: Run,
  what: string,
): string[] {
  const gone = paths.filter((path) => !consumers.some((consumer) => consumer.path === path));
  for (const path of gone) note(`${path} is no consumer's path any more: whoever read it ${what}`);
  return gone;
}

/** When to look again at something that was not so. */
export function again({ clock, patience }: Run): Date {
  return new Date(clock.now().getTime() + patience.again);
}

async function bring(run: Run, consumer: Consumer, wanted: Wanted): Promise<string | undefined> {
  const { writer, secret } = run;
  const before = await hasArrived(writer, secret, consumer, wanted);
  let { version } = before;
  if (!before.arrived) {
    const fields = fieldsAt(secret, wanted.phase, await run.versions());
    const content = { ...wanted, fields, rotation: run.journal.id };
    try {
      version = await deliverTo(writer, secret, consumer, content, before.state);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      // Somebody wrote the same path meanwhile: an `up` that gives a new consumer its first values.
      version = await deliverTo(writer, secret, consumer, content);
    }
  }
  const isNew = version !== before.version;
  if (!before.arrived && !isNew) unmarkLog(run, consumer);
  const places = run.sinks(consumer);
  for (const { name } of places.filter(isByHand)) leaveToPerson(run, consumer, name, wanted.phase);
  const sinks = places.filter((sink) => !isByHand(sink));
  // A crash may have fallen between a sink's new values and its reload, which nothing tells of an unseen consumer.
  const unsure = isNew || (run.journal.attempt > 1 && !isUntouched(run, before));
  if (sinks.length === 0) {
    const once = `${consumer.id} ${version}`;
    if (unsure && !isBrought(run, once)) takeUnseen(run, consumer, once);
    if (places.length === 0) run.note(`${consumer.id} reads Vault itself: which version it runs is not seen`);
  }
  if (isNew) run.say(`${consumer.id} gets ${words[wanted.phase]}`);
  if (isNew && sinks.length > 1) {
    // Everything is there before the first reload: a service that starts again does so once.
    await refuseUnreached(sinks);
    const bundle = await bundleOf(run.vault, run.model, consumer.id);
    for (const sink of sinks) await run.act(() => sink.write(bundle));
  }
  for (const sink of sinks) {
    const lags = await settle(run, consumer, sink, { version, unsure });
    if (lags !== undefined) return `${sink.name}: ${lags}`;
  }
  return undefined;
}

function isByHand({ byHand }: Sink): boolean {
  return byHand !== undefined;
}

/** In place of what was noted before: on the way back that is another value. */
function leaveToPerson(run: Run, consumer: Consumer, name: string, phase: Phase): void {
  const place = `${consumer.id}, ${name}`;
  const value = phase === "dropped" && !holdsOneBefore(run.secret, consumer) ? words.next : words[phase];
  const before = new Set(Object.values(words).map((one) => byPerson(place, one)));
  const notes = (run.journal.notes ?? []).filter((note) => !before.has(note));
  run.change({ notes: [...notes, byPerson(place, value)] });
}

const words: Record<Phase, string> = {
  both: "the new value beside the one it signs with",
  next: "the new value",
  dropped: "the new value without the old one",
  back: "the old value",
};

/**
 * Writes a sink and reloads until the consumer runs the version, for so long as the run is patient.
 * @throws ProbeError where it ran before, and does not run with the new value
 */
async function settle(
  run: Run,
  consumer: Consumer,
  sink: Sink,
  { version, unsure }: { version: number; unsure: boolean },
): Promise<string | undefined> {
  const { clock, signal, patience, secret, reloaded } = run;
  const once = `${consumer.id} ${sink.name} ${version}`;
  const look = (): Promise<Running> => run.act(() => sink.running(keptId(secret), version));
  let end = Number.POSITIVE_INFINITY;
  let pause = patience.poll.first;
  let sawHere = false;
  let failed: DeliveryError | undefined;
  for (let looks = 1; ; looks++) {
    const seen = await look();
    if (isUp(seen)) {
      noteSeen(run, consumer, sink);
      sawHere = true;
    }
    if (seen.state === "runs") return undefined;
    // What still runs as it was is told at once; what does not may come up yet.
    if (failed !== undefined && !isDown(seen)) throw failed;
    const lost = isLost(run, consumer, sink, seen);
    const isGone = lost && (await sink.unreached?.()) !== undefined;
    const why = lost ? `it could be seen before, and cannot now: ${seen.why}` : seen.why;
    if (isGone && !sawHere) return why;
    // Written again now and then: another secret's rotation may have written an older bundle of the same service.
    if (!isGone && (looks === 1 || looks % 8 === 0)) {
      const changed = await write(run, consumer, sink);
      if (changed || mayHaveMissed(run, seen, once, unsure)) {
        failed = await reload(run, consumer, sink);
        if (failed === undefined) reloaded.add(once);
        if (seen.state === "unobservable") takeUnseen(run, consumer, once);
      }
    }
    end = Math.min(end, clock.now().getTime() + patience.pickUp);
    if (seen.state === "unobservable" && !lost) {
      if (failed !== undefined) throw failed;
      // What it was brought it was seen not to have a moment ago.
      if (looks > 1 && !isBrought(run, once)) takeUnseen(run, consumer, once);
      run.note(`${consumer.id}, ${sink.name}: which version it runs cannot be seen (${seen.why})`);
      return undefined;
    }
    if (clock.now().getTime() >= end) {
      if ((isDown(seen) || isGone) && endedWithIt(run, consumer, sink)) {
        const said = failed?.message ?? why;
        throw new ProbeError(
          `${consumer.id}, ${sink.name}: it ran before, and does not with the new value: ${said}`,
        );
      }
      if (failed !== undefined) throw failed;
      return why;
    }
    await clock.sleep(pause, signal);
    pause = Math.min(pause * 2, patience.poll.longest);
  }
}

/** Whether what does not run any more did until it was brought the new value. A first value takes nothing from anybody. */
function endedWithIt(run: Run, consumer: Consumer, sink: Sink): boolean {
  return wasSeen(run, consumer, sink) && isSwitching(run.journal) && !run.isFirst;
}

/**
 * A person's stop lets a restart end, which half done leaves the service down; a lost lease does not.
 * @returns why it failed, where the service ran before: its new value may be why
 * @throws DeliveryError; the signal's reason
 */
async function reload(run: Run, consumer: Consumer, sink: Sink): Promise<DeliveryError | undefined> {
  try {
    await run.act(() => sink.reload(run.lease.signal));
    return undefined;
  } catch (error) {
    if (error instanceof DeliveryError && wasSeen(run, consumer, sink)) return error;
    throw error;
  }
}

/** Brings a sink all that the service is delivered, as it is now. */
async function write(run: Run, consumer: Consumer, sink: Sink): Promise<boolean> {
  await refuseUnreached([sink]);
  for (let tried = 1; ; tried++) {
    const bundle = await bundleOf(run.vault, run.model, consumer.id);
    try {
      return await run.act(() => sink.write(bundle));
    } catch (error) {
      // Another secret's rotation was quicker.
      if (!(error instanceof StaleBundleError) || tried === 3) throw error;
    }
  }
}

/**
 * Whether a consumer may have missed a reload, by a crash between its new values and that. One that is seen to be behind
 * gets another one from each process; one that nobody can see, one altogether.
 */
function mayHaveMissed(run: Run, seen: Running, once: string, unsure: boolean): boolean {
  if (seen.state === "behind") return !run.reloaded.has(once);
  return unsure && !isBrought(run, once);
}

function isBrought({ journal }: Run, once: string): boolean {
  return journal.unseen?.[once] !== undefined;
}

/** Nobody can see what it runs: it is taken to run it once its service has had the time that the catalogue gives it. */
function takeUnseen(run: Run, consumer: Consumer, once: string): void {
  const end = after(run.clock.now(), settlesOf(run.model, consumer)).toISOString();
  run.change({ unseen: { ...run.journal.unseen, [once]: end } });
}

/** Whoever was brought something new where nobody can see what it runs has had its time to take it up. */
export async function settled(run: Run): Promise<Turn | undefined> {
  const ends = Object.entries(run.journal.unseen ?? {}).sort(([, a], [, b]) => (a < b ? 1 : -1));
  const last = ends[0];
  if (last === undefined || run.isFirst) return undefined;
  const [what, end] = last;
  return passes(run, new Date(end), `nobody sees what ${what.split(" ")[0]} runs: it has until ${end}`);
}

/** What passes in a moment is waited for by everybody; what takes longer is left to whoever waits. */
export async function passes(run: Run, end: Date, wait: string): Promise<Turn | undefined> {
  const left = end.getTime() - run.clock.now().getTime();
  if (left > (run.waits ? 0 : run.patience.pickUp)) return { wait, until: end, waitsFor: "time" };
  await run.clock.sleep(Math.max(left, 0), run.signal);
  return undefined;
}

/**
 * Asks each probe of each consumer; one that fails is asked again for a while, because services take their time. One that
 * is declared and cannot be asked is noted, and evidence says so.
 * @throws ProbeError
 */
export async function probeAll(run: Run, consumers: Consumer[]): Promise<void> {
  const { clock, signal, patience } = run;
  for (const consumer of consumers) {
    const left = run.unprobed?.(consumer);
    if (left !== undefined) leaveUnprobed(run, consumer, left);
    for (const probe of run.probes(consumer, logMark(run, consumer))) {
      const end = clock.now().getTime() + patience.probe;
      for (let pause = patience.poll.first; ; pause = Math.min(pause * 2, patience.poll.longest)) {
        try {
          const unasked = await run.act(() => probe.check(signal));
          if (unasked === undefined) isProbed(run, consumer);
          else leaveUnprobed(run, consumer, unasked);
          break;
        } catch (error) {
          if (!(error instanceof ProbeError)) throw error;
          if (clock.now().getTime() >= end) {
            throw new ProbeError(`${consumer.id}, ${probe.name}: ${error.message}`, { cause: error });
          }
          await clock.sleep(pause, signal);
        }
      }
    }
  }
}

function leaveUnprobed(run: Run, { id: consumer }: Consumer, { why, acknowledged }: Unprobed): void {
  run.note(`not probed: ${why}`);
  run.change({ notProbed: [...notProbed(run, consumer), { consumer, acknowledged }] });
}

/** What an earlier runner could not ask was asked now. */
function isProbed(run: Run, { id }: Consumer): void {
  if (run.journal.notProbed !== undefined) run.change({ notProbed: notProbed(run, id) });
}

/** The others that were not asked, as far as they are consumers still: one may have been renamed under way. */
function notProbed({ journal, secret }: Run, id: string): NonNullable<Journal["notProbed"]> {
  const others = new Set(secret.consumers.map((consumer) => consumer.id).filter((one) => one !== id));
  return (journal.notProbed ?? []).filter(({ consumer }) => others.has(consumer));
}
