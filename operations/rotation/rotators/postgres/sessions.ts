import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, TargetUnavailableError } from "../../rotator.ts";

/** Who is connected as a login: application and address with the number of sessions, e.g. "titan-brain at 10.0.0.5 (3)". */
export async function sessionsOf(connection: Connection, login: string): Promise<string[]> {
  const { rows } = await connection.query<{ who: string }>(
    `select coalesce(nullif(application_name, ''), 'an unnamed client')
            || coalesce(' at ' || host(client_addr), '') || ' (' || count(*) || ')' as who
       from pg_stat_activity where usename = $1 and backend_type = 'client backend'
      group by application_name, client_addr order by 1`,
    [login],
  );
  return rows.map(({ who }) => who);
}

/** Milliseconds between two looks: what connects for a shorter time may be missed once, and comes again. */
const pause = 50;

/**
 * Looks again and again for so many seconds, five times at least, since some clients connect for each request or each
 * minute. Ends with the first that is seen.
 * @throws the signal's reason
 */
export async function seenSessions(
  connection: Connection,
  login: string,
  window = 0,
  signal?: AbortSignal,
): Promise<string[]> {
  const end = performance.now() + window * 1000;
  for (let look = 1; ; look++) {
    const seen = await sessionsOf(connection, login);
    if (seen.length > 0 || (look >= 5 && performance.now() >= end)) return seen;
    await sleep(pause, undefined, { signal });
  }
}

/**
 * Ends a login's sessions, those that began before a time where one is given, and waits until they are gone. A login
 * that was under way while it was shut shows up a moment later, so it is looked again until nobody is seen twice.
 * @throws TargetUnavailableError when one of them does not end
 */
export async function endSessions(connection: Connection, login: string, before?: string): Promise<number> {
  const ended = new Set<number>();
  let left: number[] = [];
  for (let look = 0, quiet = 0; look < 10 && quiet < 2; look++) {
    if (look > 0) await sleep(25);
    const { rows } = await connection.query<{ pid: number }>(
      `select pid, pg_terminate_backend(pid, 2000) from pg_stat_activity
        where usename = $1 and backend_type = 'client backend' and ($2::timestamptz is null or backend_start < $2)`,
      [login, before ?? null],
    );
    left = rows.map(({ pid }) => pid);
    for (const pid of left) ended.add(pid);
    quiet = left.length === 0 ? quiet + 1 : 0;
  }
  if (left.length === 0) return ended.size;
  throw new TargetUnavailableError(
    `Sessions of ${login} do not end (server process ${left.join(", ")}): the same step is tried again`,
  );
}
