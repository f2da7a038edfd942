import type { Database, Secret } from "../../model/model.ts";
import type { Journal, MadeAt } from "./journal.ts";
import { spokenTo } from "./providers/index.ts";

type Made = Pick<Secret, "id" | "kind" | "provider" | "nats" | "databaseUser">;
type Databases = { databases: Pick<Database, "id" | "host" | "port" | "database">[] };

/** What a secret's values are, and where they are made, by the catalogue of a run. */
export function madeAt(secret: Omit<Made, "id">, model: Databases): MadeAt {
  const { kind, provider } = secret;
  const address = addressOf(secret, model);
  return {
    kind,
    ...(provider !== undefined && { provider: provider.name }),
    ...(address !== undefined && { address }),
    ...(provider?.adapter !== undefined && { adapter: provider.adapter }),
  };
}

/** Where the target is: that of a provider's API, of nats-servers or a database; others are the secret's own services. */
function addressOf(
  { provider, nats, databaseUser }: Omit<Made, "id">,
  { databases }: Databases,
): string | undefined {
  if (provider !== undefined) return provider.address?.replace(/\/+$/, "");
  if (nats !== undefined) return nats.servers.toSorted().join(", ");
  const database = databases.find(({ id }) => id === databaseUser?.database);
  return database && `${database.host}:${database.port}/${database.database}`;
}

/**
 * Why a rotation that has made a value cannot go on, neither forward nor back: the catalogue has given the secret another kind
 * or provider meanwhile. Asked there, nothing would know either value, and that would be taken for their having been refused.
 * A provider that was only renamed is the same one; a target that is elsewhere has to show it (`moved-target.ts`).
 */
export function madeElsewhere(
  secret: Made,
  model: Databases,
  { madeAt: before, to, fingerprints }: Pick<Journal, "madeAt" | "to" | "fingerprints">,
): string | undefined {
  if (before === undefined || (to === undefined && fingerprints === undefined)) return undefined;
  const now = madeAt(secret, model);
  if (before.kind === now.kind && !isAnother(before, now)) return undefined;
  return (
    `it began as ${words(before)}, and the catalogue now says ${words(now)}, which knows neither of its values: ` +
    putBack(secret)
  );
}

/** What to do about a change of the catalogue that a rotation under way cannot follow. */
export function putBack({ id }: Pick<Secret, "id">): string {
  return `put ${id} back as it was in the catalogue until this rotation has ended (or was rolled back), and change it then`;
}

/** By another name it is known by its address and by how it is spoken to: Slack and what a person rotates may have no address. */
function isAnother(before: MadeAt, now: MadeAt): boolean {
  const isOtherWay = spokenTo(before) !== spokenTo(now);
  if (before.provider === now.provider) return before.address !== undefined && isOtherWay;
  if (before.provider === undefined || now.provider === undefined) return true;
  return before.address !== now.address || isOtherWay;
}

function words({ kind, provider, address, adapter }: MadeAt): string {
  const where = address === undefined ? "" : ` at ${address}`;
  if (provider === undefined) return `kind ${kind}${where} without a provider`;
  return `kind ${kind} of ${provider}${where}${adapter === undefined ? "" : ` (${adapter})`}`;
}
