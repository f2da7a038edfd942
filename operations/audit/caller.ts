import * as z from "zod/mini";

/** Who made an audited request, as precisely as its line says: one process of several that share a role. */
export interface Caller {
  /**
   * The token's accessor, hashed by the audit device (equal for equal tokens of one file); of a batch token, which has
   * none, its entity and the address that it came from.
   */
  key: string;
  /** Address that the request came from; empty where the line has none. */
  address: string;
}

const optional = z.nullish(z.string());
const Line = z.object({
  auth: z.nullish(z.object({ accessor: optional, entity_id: optional, display_name: optional })),
  request: z.object({ client_token_accessor: optional, remote_address: optional }),
});

/**
 * https://developer.hashicorp.com/vault/docs/audit#audit-entry-format
 * @returns undefined for what is no audit line, and for a request without a token
 */
export function callerIn(text: string): Caller | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { auth, request } = Line.safeParse(value).data ?? {};
  const address = request?.remote_address ?? "";
  const accessor = request?.client_token_accessor || auth?.accessor;
  if (accessor) return { key: accessor, address };
  const name = auth?.entity_id || auth?.display_name;
  return name ? { key: `${name} at ${address}`, address } : undefined;
}
