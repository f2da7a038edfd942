import { hasArrived } from "../../values/deliver.ts";
import { ConflictError, destroyBefore } from "../../values/kv.ts";
import { type Fields, fieldsLackedBy, pairNames } from "../../values/shape.ts";
import { migrateAll } from "../migration.ts";
import { ProbeError } from "../rotator.ts";
import type { Run, Turn } from "../run.ts";
import { again, bringAll, isUntouched, noteGone, reachedAt, settled } from "./consumer.ts";
import { destroyOld } from "./destroy.ts";
import { finalVersion, versionOfOurs } from "./generate.ts";
import { leftInUse } from "./left-in-use.ts";
import { revokeAtTarget, stillAccepted } from "./revoke.ts";

/**
 * Everybody gets the old value back, signers first; then, once nobody is seen to use it, the new one is revoked and seen to
 * be refused.
 */
export async function rollBack(run: Run): Promise<Turn> {
  if (!(await hasVersion(run))) {
    await run.act(() => run.rotator.discard?.(run.context) ?? Promise.resolve());
    return { to: "rolled-back", text: "rolled back before there was a new value" };
  }
  if (run.journal.verifiedAt === undefined) {
    const { current, next } = await run.versions();
    const kept = current ?? {};
    const { rotator } = run;
    // A consumer that got the old value before the target accepts it again would not come up.
    if (rotator.replaces?.(next, current)) {
      run.stop.hold();
      await run.act(() => rotator.revoke(run.context, next, kept));
    }
    const waits = current === undefined ? undefined : await giveBack(run, current, next);
    if (waits !== undefined) return waits;
    run.stop.letGo();
    run.change({ backAt: run.journal.backAt ?? run.clock.now().toISOString() });
    await revokeAtTarget(run, next, kept);
    const accepted = await stillAccepted(run, next, kept);
    if (accepted !== undefined) return accepted;
    if (current !== undefined && run.journal.keptRefused === undefined) await probeOld(run, current);
    await run.lease.save({ verifiedAt: run.clock.now().toISOString() });
  }
  const { final, to = 0 } = run.journal;
  if (run.isFirst) await destroyFirst(run, to);
  else await destroyOld(run, final ?? to);
  return { to: "rolled-back", text: "rolled back: the new value is refused, and its versions are destroyed" };
}

/** Whether there is a new source version: known, or left behind by a crash. */
async function hasVersion(run: Run): Promise<boolean> {
  if (run.journal.to !== undefined) return true;
  try {
    const to = await versionOfOurs(run);
    if (to !== undefined) await run.lease.save({ to });
    return to !== undefined;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}

async function giveBack(run: Run, current: Fields, next: Fields): Promise<Turn | undefined> {
  const back = await finalVersion(run, current);
  noteAdded(run, current);
  const { to = 0 } = run.journal;
  const source = (phase: string) => (phase === "both" ? to : back);
  const wantedBack = { source: back, phase: "back" as const };
  const touched: string[] = [];
  const returned: string[] = [];
  for (const consumer of run.secret.consumers) {
    const stand = await hasArrived(run.writer, run.secret, consumer, wantedBack);
    if (!isUntouched(run, stand)) touched.push(consumer.id);
    if (stand.source === back) returned.push(consumer.id);
  }
  // Who has the old value alone was brought it when nobody signed with the new one any more: it is not given that again.
  const signers = reachedAt(run, "signers-back", source)
    .filter(({ consumer }) => touched.includes(consumer.id))
    .map((one) => (returned.includes(one.consumer.id) ? { ...one, wanted: wantedBack } : one));
  const isPair = pairNames(run.secret) !== undefined;
  // Who checks the only value there is has to accept the old one before its clients start with it.
  const servers = isPair
    ? []
    : reachedAt(run, "all-back", source).filter(
        ({ consumer }) => consumer.role === "listener" && touched.includes(consumer.id),
      );
  const waits =
    (await bringAll(run, servers)) ??
    (servers.length > 0 ? await settled(run) : undefined) ??
    (await bringAll(run, signers)) ??
    (await settled(run)) ??
    (await migrateBack(run, current, next));
  if (waits !== undefined) return waits;
  const gone = noteGone(run, "was not given the old value back");
  const unused = () => (touched.length + gone.length === 0 ? undefined : leftInUse(run, next, current));
  // Our own services refuse a value by dropping it, others' targets when they are told to.
  // Whoever got nothing new keeps what it runs: only the record of its path follows.
  const all = async () => (await bringAll(run, reachedAt(run, "all-back", source))) ?? settled(run);
  return isPair ? ((await unused()) ?? all()) : ((await all()) ?? unused());
}

/** Told, as it was given with a value that is taken back. */
function noteAdded({ secret, journal: { from, to }, note }: Run, current: Fields): void {
  const added = new Set(secret.consumers.flatMap((consumer) => fieldsLackedBy(secret, consumer, current)));
  for (const field of added) {
    note(
      `${field}, which version ${from} of ${secret.id} has not, stays with whoever reads it as version ${to} has it`,
    );
  }
}

/** What was re-encrypted already comes back under the old value before the new one goes. */
async function migrateBack(run: Run, current: Fields, next: Fields): Promise<Turn | undefined> {
  const { migrate } = run.rotator;
  if (migrate === undefined) return undefined;
  const left = await migrateAll(
    () => run.act(() => migrate(run.context, current, next)),
    (rest) => run.say(`${rest} still to be looked at`),
  );
  return left === 0 ? undefined : { wait: `${left} are still under the new value`, until: again(run) };
}

/** Rolled back is rolled back; that the old value fails as well is something a person has to know. */
async function probeOld(run: Run, current: Fields): Promise<void> {
  try {
    await run.act(() => run.rotator.probe(run.context, current, undefined));
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    run.note(`the old value fails its probe as well: ${error.message}`);
  }
}

/** A first value that was taken back leaves nothing behind. */
async function destroyFirst(run: Run, to: number): Promise<void> {
  const { vault, model, secret, writer } = run;
  const { kv } = model.vault.mounts;
  await destroyBefore(vault, kv, secret.source, to + 1);
  for (const consumer of secret.consumers) {
    const { version } = await hasArrived(writer, secret, consumer, { source: to });
    await destroyBefore(vault, kv, consumer.path, version + 1);
  }
}
