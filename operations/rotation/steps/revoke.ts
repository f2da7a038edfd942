import { fieldsAt, orderAt } from "../../values/phases.ts";
import { type Fields, withoutBefore } from "../../values/shape.ts";
import { withOwed } from "../owed-keys.ts";
import { type LetIn, StillAcceptedError } from "../rotator.ts";
import type { Run, Turn } from "../run.ts";
import { after } from "../schedule.ts";
import { again, bringAll } from "./consumer.ts";
import { confirmSwitched } from "./deliver.ts";
import { destroyOld } from "./destroy.ts";
import { finalVersion } from "./generate.ts";
import { backToOld, keptRefusal, letIn, letInNow } from "./let-in.ts";

/** How often what was revoked and is still accepted is revoked again, before a person has to look. */
const revocations = 3;

/**
 * The target refuses the old value, and the consumers drop it. From here a rotation goes back only where the target is seen to
 * refuse the new value and to accept the old one.
 */
export async function revoke(run: Run): Promise<Turn> {
  const { current, next } = await run.versions();
  if (current === undefined) return { to: "done", text: "there is no old value" };
  const found = await letIn(run, current, next);
  if (found === "old") return backToOld(run);
  // Time has passed where another run goes on here; draining has just seen it otherwise. What is refused may let nobody start.
  const { attempt, final } = run.journal;
  const looksAgain = attempt > 1 && final === undefined && found === "kept";
  const lags = looksAgain ? await confirmSwitched(run) : undefined;
  if (lags !== undefined) return lags;
  const back = await revokeAtTarget(run, current, next, found);
  if (back !== undefined) return back;
  const waits = await drop(run);
  return waits ?? { to: "verify", text: "the old value is revoked" };
}

/**
 * Makes the target refuse one value, unless that is the only one that it lets in: then everybody gets it back. Where it refuses
 * what everybody has, and there is no going back, there is nothing to wait for, since a new value can be set only once the
 * rotation has ended; what it ended with is kept, as it is no success.
 * @param seen which of them the target lets in, where that was asked just now
 * @returns the way back
 */
export async function revokeAtTarget(
  run: Run,
  old: Fields,
  kept: Fields,
  seen?: LetIn,
): Promise<Turn | undefined> {
  const { rotator, lease } = run;
  const mayReturn = run.journal.state !== "rolling-back";
  const before = seen ?? (await letIn(run, old, kept));
  if (before === "old" && mayReturn) return backToOld(run);
  const keys = (await run.act(() => rotator.revoke(run.context, old, kept, before))) ?? [];
  const found = before === "kept" && rotator.replaces?.(kept, old) ? await letInNow(run, old, kept) : before;
  if (found === "old" && mayReturn) return backToOld(run);
  if (found !== "kept") {
    const unrevoked = withOwed(run.journal.unrevoked, keys);
    const keptRefused = keptRefusal(run, found, keys);
    run.change({ keptRefused, ...(unrevoked.length > 0 && { unrevoked }) });
    return undefined;
  }
  if (run.journal.keptRefused !== undefined) await lease.save({ keptRefused: undefined });
  await revokeLeft(run, kept);
  return undefined;
}

/** What earlier rotations could not revoke: what still cannot be is owed on, and holds up nothing. */
async function revokeLeft({ journal, rotator, act, context, lease }: Run, kept: Fields): Promise<void> {
  const { unrevoked } = journal;
  if (unrevoked === undefined || rotator.revokeLeft === undefined) return;
  const left = await act(() => rotator.revokeLeft?.(context, kept) ?? Promise.resolve(unrevoked));
  await lease.save({ unrevoked: left.length > 0 ? left : undefined });
}

/** Kinds that keep the value before: a version without it, to listeners first. */
async function drop(run: Run): Promise<Turn | undefined> {
  const { secret } = run;
  const versions = await run.versions();
  if (withoutBefore(secret, versions.next) === undefined) return undefined;
  const source = await finalVersion(run, fieldsAt(secret, "dropped", versions));
  const wanted = { source, phase: "dropped" as const };
  return bringAll(
    run,
    orderAt(secret.consumers, "signers").map((consumer) => ({ consumer, wanted })),
  );
}

/** The old value is seen to be refused; then its versions are destroyed. */
export async function verify(run: Run): Promise<Turn> {
  const { final, to = 0, verifiedAt } = run.journal;
  if (verifiedAt === undefined) {
    const { current, next } = await run.versions();
    if (current === undefined) return { to: "done", text: "there is no old value" };
    const accepted = await stillAccepted(run, current, next);
    if (accepted !== undefined) return accepted;
    await run.lease.save({ verifiedAt: run.clock.now().toISOString() });
  }
  await keepOld(run);
  await destroyOld(run, final ?? to);
  return { to: "done", text: "the old value is refused, and its versions are destroyed" };
}

/** Versions that a source has while one is kept: the mount's ten are those of five compromises. */
const whileKept = 1000;

/**
 * What backups and replicas hold was not re-encrypted: cut short, an encryption key is taken from everybody, and the
 * version with it stays in the source until its retention ends (R22).
 */
async function keepOld(run: Run): Promise<void> {
  const { secret, journal, clock } = run;
  const { switchedAt, since, from, kept = [], destroysOld } = journal;
  const until = after(new Date(switchedAt ?? since), secret.rotate.overlap);
  if (secret.kind !== "fernet" || !run.isShort) return;
  const metadata = `${run.model.vault.mounts.kv}/metadata/${secret.source}`;
  if (destroysOld === true && kept.length > 0) {
    // What earlier ones kept goes as well.
    await run.act(() => run.vault.write(metadata, { max_versions: 0 }));
    run.change({ kept: [] });
  }
  if (until <= clock.now()) return;
  if (destroysOld === true) {
    run.skip(
      `the old key was not kept for ${secret.rotate.overlap} s: it is destroyed, and what backups hold under it is lost`,
    );
    return;
  }
  if (kept.some(({ version }) => version === from)) return;
  await run.act(() => run.vault.write(metadata, { max_versions: whileKept }));
  run.change({ kept: [...kept, { version: from, until: until.toISOString() }] });
  run.note(
    `the old key is kept as version ${from} of ${secret.source} until ${until.toISOString()}, and given to nobody: backups may ` +
      "need it (--destroy-old-keys destroys it at once)",
  );
}

/** Verifies that a value is refused, and revokes it again where it is not. */
export async function stillAccepted(run: Run, old: Fields, kept: Fields): Promise<Turn | undefined> {
  const { rotator, clock, signal, patience } = run;
  for (let tried = 1; ; tried++) {
    try {
      await run.act(() => rotator.verify(run.context, old, kept));
      return undefined;
    } catch (error) {
      if (!(error instanceof StillAcceptedError)) throw error;
      if (tried >= revocations) return { wait: error.message, until: again(run), isStuck: true };
      run.say(`revoked again: ${error.message}`);
      await clock.sleep(patience.poll.first * 2 ** tried, signal);
      const back = await revokeAtTarget(run, old, kept);
      if (back !== undefined) return back;
    }
  }
}
