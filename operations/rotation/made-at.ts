import type { Secret } from "../../model/model.ts";
import type { Journal, MadeAt } from "./journal.ts";

export function madeAt({ kind, provider }: Pick<Secret, "kind" | "provider">): MadeAt {
  if (provider === undefined) return { kind };
  const { name, address, adapter } = provider;
  return {
    kind,
    provider: name,
    ...(address !== undefined && { address }),
    ...(adapter !== undefined && { adapter }),
  };
}

/**
 * Why a rotation that has made a value cannot go on, neither forward nor back: the catalogue has given the secret another kind
 * or provider meanwhile. Asked there, nothing would know either value, and that would be taken for their having been refused.
 * A provider that was only renamed, or moved, is the same one.
 */
export function madeElsewhere(
  secret: Pick<Secret, "id" | "kind" | "provider">,
  { madeAt: before, to, fingerprints }: Pick<Journal, "madeAt" | "to" | "fingerprints">,
): string | undefined {
  if (before === undefined || (to === undefined && fingerprints === undefined)) return undefined;
  const now = madeAt(secret);
  if (before.kind === now.kind && !isAnother(before, now)) return undefined;
  return (
    `it began as ${words(before)}, and the catalogue now says ${words(now)}, which knows neither of its values: put ` +
    `${secret.id} back as it was in the catalogue until this rotation has ended (or was rolled back), and change it then`
  );
}

/** By another name it is known by its address and by how it is spoken to: Slack and what a person rotates may have no address. */
function isAnother(before: MadeAt, now: MadeAt): boolean {
  if (before.provider === now.provider) return before.address !== undefined && before.adapter !== now.adapter;
  if (before.provider === undefined || now.provider === undefined) return true;
  return before.address !== now.address || before.adapter !== now.adapter;
}

function words({ kind, provider, address, adapter }: MadeAt): string {
  if (provider === undefined) return `kind ${kind} without a provider`;
  const where = address === undefined ? "" : ` at ${address}`;
  return `kind ${kind} of ${provider}${where}${adapter === undefined ? "" : ` (${adapter})`}`;
}
