import { readSource } from "../values/deliver.ts";
import { ConflictError } from "../values/kv.ts";
import type { Fields } from "../values/shape.ts";
import { type RotateOptions, resumeRotation, rotate } from "./engine.ts";
import { isUnderWay } from "./journal.ts";
import { readJournal } from "./journal-store.ts";
import type { Outcome } from "./outcome.ts";
import { byHand, nextGiven } from "./rotators/by-hand.ts";

type ByHand = Omit<RotateOptions, "rotator">;

/**
 * Rotates a secret that a person makes, to the value that was given: it goes to listeners first, is probed, and the
 * rotation then waits until the owner has revoked the old one. What `keyplane set --rotate` does.
 * @throws ValueError before anything has begun; ConflictError where another rotation is under way
 */
export async function rotateToGiven(options: ByHand, given: Fields): Promise<Outcome> {
  const { vault, model, secret, by } = options;
  const { journal } = await readJournal(options, secret);
  if (isUnderWay(journal) && journal?.to !== undefined) throw underWay(secret.id);
  const current = await readSource({ vault, model, by }, secret);
  nextGiven(secret, given, current, new Date());
  const rotator = byHand({ given });
  let isTaken = false;
  const outcome = await rotate({
    ...options,
    rotator: {
      ...rotator,
      create: async (context, before) => {
        const next = await rotator.create(context, before);
        isTaken = true;
        return next;
      },
    },
  });
  // Another runner may have begun one after the look.
  if (!isTaken) throw underWay(secret.id, outcome.busy?.owner);
  return outcome;
}

/**
 * Goes on with such a rotation after its owner, or whoever stands in, says to have revoked the old value.
 * @param confirmedBy the person who says so, for the journal
 */
export async function resumeByHand(options: Omit<ByHand, "reason">, confirmedBy: string): Promise<Outcome> {
  return resumeRotation({ ...options, confirmedBy, rotator: byHand() });
}

function underWay(id: string, owner?: string): ConflictError {
  return new ConflictError(
    `another rotation of ${id} is under way${owner === undefined ? "" : ` (${owner})`}, and what was given is not taken: end it with \`keyplane rotations resume ${id}\` or \`keyplane rotations abort ${id}\`, then set it again`,
  );
}
