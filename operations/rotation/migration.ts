/** What a piece of a migration came to. */
export interface Migrated {
  /** What is still to be looked at; 0 when it is done. */
  left: number;
  /**
   * Of a pass through everything that ended in this piece: what it met under the old value, and whether that was no less
   * than before. Pieces between say nothing: a pass of a large table takes many.
   */
  pass?: { old: number; stalled: boolean };
}

/** Passes that get nowhere, one after another, after which it is better to come back later. */
const inVain = 3;

/**
 * Migrates piece by piece until nothing is left, or passes get nowhere.
 * @param said is told what is still to be looked at, after each piece
 * @returns how much the last pass met under the old value; 0 when nothing is left
 */
export async function migrateAll(
  piece: () => Promise<Migrated>,
  said: (left: number) => void = () => {},
): Promise<number> {
  for (let stalled = 0; ; ) {
    const { left, pass } = await piece();
    if (left === 0) return 0;
    if (pass !== undefined) stalled = pass.stalled ? stalled + 1 : 0;
    if (pass !== undefined && stalled >= inVain) return pass.old;
    said(left);
  }
}
