import type pg from "pg";
import type { Secret } from "../../../model/model.ts";
import type { Reason, RotatorContext } from "../../../operations/rotation/rotator.ts";
import { postgres } from "../../../operations/rotation/rotators/postgres.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import type { DatabaseServer } from "./postgres-server.ts";

/** Every password that was made here, to be looked for in logs. */
export const passwords = new Set<string>();

let rotations = 0;

/** The context of a rotation of its own. */
export function beginning(
  server: DatabaseServer,
  secret: Secret,
  reason: Reason = "scheduled",
): RotatorContext {
  return server.context(secret, { rotation: `rotation-${++rotations}`, reason });
}

/** The next rotation of a secret, up to where the target accepts both values. */
export async function staged(
  server: DatabaseServer,
  secret: Secret,
  current: Fields | undefined,
  reason?: Reason,
): Promise<{ context: RotatorContext; next: Fields }> {
  const context = beginning(server, secret, reason);
  const next = await postgres.create(context, current);
  passwords.add(next.password ?? "");
  await postgres.stage(context, next, current);
  await postgres.probe(context, next, current);
  return { context, next };
}

/** A whole rotation; returns what is in force afterwards. */
export async function rotated(
  server: DatabaseServer,
  secret: Secret,
  current: Fields | undefined,
  reason?: Reason,
): Promise<Fields> {
  const { context, next } = await staged(server, secret, current, reason);
  if (current === undefined) return next;
  await postgres.revoke(context, current, next);
  await postgres.verify(context, current, next);
  return next;
}

/** Runs statements as a client; returns the last one's rows. */
export async function ask(
  server: DatabaseServer,
  secret: Secret,
  fields: Fields,
  ...statements: string[]
): Promise<pg.QueryResultRow[]> {
  const client = await server.connect(secret, fields);
  try {
    let rows: pg.QueryResultRow[] = [];
    for (const statement of statements) rows = (await client.query(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}
