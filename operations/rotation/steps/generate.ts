import { describeSource, fingerprintsOf, writeSource } from "../../values/deliver.ts";
import { ConflictError, readFields, stateOf } from "../../values/kv.ts";
import type { Fields } from "../../values/shape.ts";
import type { Run, Turn } from "../run.ts";
import { revokeAlone } from "./revoke-alone.ts";

/** A new value, and the source version that holds it. Made once: a crash anywhere finds what it left. */
export async function generate(run: Run): Promise<Turn> {
  const { secret, rotator, lease, writer } = run;
  const { from, id } = run.journal;
  const left = await versionOfOurs(run);
  if (left !== undefined) return made(run, left);
  const current = run.isFirst ? undefined : await run.fields(from);
  if (secret.retired !== undefined && secret.rotate.by === "hand") return revokeAlone(run, current);
  const next = await run.act(() => rotator.create(run.context, current));
  const missing = secret.fields.filter((field) => next[field] === undefined);
  if (missing.length > 0) throw new Error(`${secret.id}: the new version lacks ${missing.join(", ")}`);
  // Before the version itself: they tell it from another's, whenever this run dies.
  const hashes = await fingerprintsOf(writer, next);
  await lease.save({ fingerprints: hashes });
  try {
    const to = await writeSource(writer, secret, { fields: next, after: from, rotation: id, hashes });
    run.remember(to, next);
    return made(run, to);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const ours = await versionOfOurs(run);
    if (ours !== undefined) return made(run, ours);
    throw error;
  }
}

function made({ secret }: Run, to: number): Turn {
  return { to: "stage", changes: { to }, text: `version ${to} of ${secret.id} is made` };
}

/**
 * The source version that an earlier run of this rotation wrote, if it did.
 * @throws ConflictError when somebody else wrote the source since the rotation began
 */
export async function versionOfOurs(run: Run): Promise<number | undefined> {
  const { vault, model, secret, writer } = run;
  const { from, id, fingerprints } = run.journal;
  const mount = model.vault.mounts.kv;
  const state = await stateOf(vault, mount, secret.source);
  if (state.version === from) return undefined;
  const version = from + 1;
  if (state.version === version) {
    if (state.custom.rotation === id && state.custom.version === String(version)) return version;
    const fields = await readFields(vault, mount, secret.source, version);
    if (fields !== undefined && fingerprints !== undefined) {
      if (same(await fingerprintsOf(writer, fields), fingerprints)) {
        await describeSource(writer, secret, version, fields, id);
        return version;
      }
    }
  }
  throw foreign(run, state.version);
}

/**
 * The version that ends a rotation, written after the new one: without the old value, or with it back. Once, whatever
 * a crash left.
 * @throws ConflictError when somebody else wrote the source meanwhile
 */
export async function finalVersion(run: Run, fields: Fields): Promise<number> {
  const { vault, model, secret, writer } = run;
  const { to = 0, final, id: rotation, overVersion } = run.journal;
  if (final !== undefined) return final;
  const { kv } = model.vault.mounts;
  let { version } = await stateOf(vault, kv, secret.source);
  if (version === to || version === overVersion) {
    if (version !== to)
      run.note(`version ${version} of ${secret.source}, which somebody else wrote, is written over`);
    version = await writeSource(writer, secret, { fields, after: version, rotation });
  } else {
    const isNext = version === to + 1 || version === (overVersion ?? to) + 1;
    const found = isNext ? await readFields(vault, kv, secret.source, version) : undefined;
    if (found === undefined || !same(found, fields)) throw stranded(run, version);
    await describeSource(writer, secret, version, fields, rotation);
  }
  run.change({ final: version });
  return version;
}

function foreign({ secret }: Run, version: number): ConflictError {
  return new ConflictError(
    `somebody else wrote version ${version} of ${secret.source} after the rotation had begun`,
  );
}

/** Nobody reads a source but the engine: what was written there has reached nobody, and a person can let it go. */
function stranded({ secret, journal }: Run, version: number): ConflictError {
  return new ConflictError(
    `somebody else wrote version ${version} of ${secret.source} after version ${journal.to}: no consumer has it. Keep what is ` +
      `in it elsewhere if it is needed, then \`keyplane rotations resume ${secret.id} --over-version ${version}\` ends the ` +
      "rotation with a version after it, and destroys it with the others",
  );
}

function same(a: Fields, b: Fields): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
