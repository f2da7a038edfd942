import pg from "pg";
import type { Seconds } from "../../../model/duration.ts";
import { keptId } from "../../../model/kept-names.ts";
import type { Secret } from "../../../model/model.ts";
import { generate } from "../../values/generate.ts";
import type { Fields } from "../../values/shape.ts";
import { refused } from "../connect.ts";
import {
  type Connection,
  type Idleness,
  PersonNeededError,
  ProbeError,
  type Reach,
  type Rotator,
  type RotatorContext,
  StillAcceptedError,
  type Target,
  TargetUnavailableError,
} from "../rotator.ts";
import { rightsDiffer } from "./postgres/rights.ts";
import { findRole, isOfSame, type Mark, markOf, type Role } from "./postgres/role.ts";
import { endSessions, seenSessions, sessionsOf } from "./postgres/sessions.ts";
import {
  checkOwn,
  handOver,
  makeLogin,
  markSince,
  notAdministered,
  replacePassword,
  shutLogin,
  type Wanted,
} from "./postgres/stage.ts";

/**
 * What a user's rotation needs; the function of Secrets Manager has no model and no secret but this: without a source, whose id
 * is what a rename keeps.
 */
export interface UserContext extends Pick<RotatorContext, "rotation" | "reason" | "signal"> {
  secret: Pick<Secret, "id" | "generator" | "databaseUser"> & Partial<Pick<Secret, "source">>;
  model: { environment: string; databases: UserDatabase[] };
  reach: Pick<Reach, "manage" | "login">;
}

/** The same for a rotation that waits until a login is unused. */
interface WatchingContext extends UserContext {
  model: UserContext["model"] & { rotation: { watch: Seconds } };
}

/** With the names of the groups that the catalogue has in it. */
export type UserDatabase = Target & { groups: { name: string }[] };

/**
 * Static database users. Two logins that take turns overlap (R31): the next one is made beside the current one, with
 * the same rights, and the current one is shut at the end. A single login (R32) has one password at a time: staging
 * replaces it, so that whoever starts again works at once with what is delivered next; connections that are open stay.
 * A field `user` that names none of the catalogue's logins is one that was there before; it is replaced like the other
 * of two.
 */
export const postgres = {
  async create({ secret }: UserContext, current: Fields | undefined): Promise<Fields> {
    const { logins } = userOf(secret);
    const user = logins.find((login) => login !== current?.user) ?? logins[0] ?? "";
    const { generator } = secret;
    if (generator.by !== "machine") throw new Error(`${secret.id} is not made by machine`);
    return { user, password: generate(generator) };
  },

  async stage(context: UserContext, next: Fields, current: Fields | undefined) {
    const { user: login = "", password = "" } = next;
    const { memberOf: group } = userOf(context.secret);
    const database = databaseOf(context);
    const wanted: Wanted = { login, password, group, database, mark: ownMark(context) };
    await managing(context, async (connection) => {
      const role = await findRole(connection, login);
      const before = role === undefined ? undefined : markOf(role);
      const done = before?.rotation === context.rotation && (await accepts(context, next));
      if (role !== undefined) checkOwn(role, wanted);
      if (role !== undefined && current?.user !== login && !done) {
        // A present password can be given where there is none of ours.
        const adopts = current === undefined ? context.secret.id : undefined;
        await checkFree(connection, role, database, adopts);
      }
      context.signal.throwIfAborted();
      try {
        if (current?.user === login && role !== undefined) {
          if (!done) await replacePassword(connection, role, wanted);
          if (!done || before?.since === undefined) await markSince(connection, role, wanted.mark);
        } else if (!done) {
          const like =
            current?.user === undefined || current.user === login
              ? undefined
              : await findRole(connection, current.user);
          // What the current login owns becomes its group's, so that the next one may alter it as well.
          if (like !== undefined) {
            checkOwn(like, { ...wanted, login: like.name });
            await handOver(connection, like.name, group);
          }
          await makeLogin(connection, wanted, { role, like });
        }
      } catch (error) {
        if (!(error instanceof pg.DatabaseError)) throw error;
        throw new ProbeError(
          `The login ${login} of ${database.id} could not be made: ${error.message}; see "Static database users" in infra/README.md`,
          { cause: error },
        );
      }
    });
  },

  async probe(context: UserContext, next: Fields, current: Fields | undefined) {
    const { memberOf: group } = userOf(context.secret);
    const database = databaseOf(context);
    const login = next.user ?? "";
    const session = await loginOrRefusal(context, next);
    if (session instanceof pg.DatabaseError) {
      throw new ProbeError(`${database.id} refuses the new login ${login}: ${session.message}`, {
        cause: session,
      });
    }
    try {
      // A new password changes no rights.
      if (current?.user === login) return;
      await checkRights(session, { login, group, before: current?.user, database });
    } finally {
      await session.end();
    }
  },

  accepts,

  replaces: (next: Fields, current: Fields | undefined) => next.user === current?.user,

  /** Looks for as long as error rates are watched: some clients connect now and then, for a moment. */
  async idle(context: WatchingContext, old: Fields, kept: Fields): Promise<Idleness> {
    const { user = "" } = old;
    if (user === kept.user) {
      const evidence = `the password before of ${user} has been refused since the new one was staged`;
      return { state: "idle", evidence };
    }
    const { watch } = context.model.rotation;
    const by = await managing(context, (connection) => seenSessions(connection, user, watch, context.signal));
    const evidence = "pg_stat_activity";
    return by.length === 0
      ? { state: "idle", evidence: `${evidence}: no session of ${user} within ${watch} s` }
      : { state: "in use", by, evidence: `${evidence}: sessions of ${user}` };
  },

  async revoke(context: UserContext, old: Fields, kept: Fields) {
    const { user = "" } = old;
    if (user !== "") await (user === kept.user ? keepPassword(context, kept) : shut(context, user, kept));
    return undefined;
  },

  async verify(context: UserContext, old: Fields, kept: Fields) {
    const database = databaseOf(context);
    const { user = "" } = old;
    if (await accepts(context, old)) {
      throw new StillAcceptedError(`${database.id} still accepts the old password of ${user}`);
    }
    if (user === kept.user) return;
    const left = await managing(context, (connection) => sessionsOf(connection, user));
    if (left.length === 0) return;
    throw new StillAcceptedError(`${database.id} still has sessions of ${user}: ${left.join(", ")}`);
  },
} satisfies Rotator;

/**
 * A login whose turn it is has been shut, or is new. One that somebody uses is not taken over: its users would be
 * locked out.
 * @throws ProbeError
 */
async function checkFree(
  connection: Connection,
  role: Role,
  database: UserDatabase,
  adopts: string | undefined,
): Promise<void> {
  if (!role.canLogin) return;
  if (markOf(role) === undefined) {
    const given =
      adopts === undefined
        ? "let a DBA rename it"
        : `give its name and present password with \`keyplane set ${adopts}\`, then \`keyplane rotate ${adopts}\``;
    throw new ProbeError(
      `The login ${role.name} of ${database.id} was there before: ${given}; or give the user another name in the catalogue`,
    );
  }
  const by = await seenSessions(connection, role.name);
  if (by.length === 0) return;
  throw new ProbeError(
    `The login ${role.name} of ${database.id} is in use although its turn has not come: ${by.join(", ")}; ` +
      "see which login they are delivered, and end these sessions",
  );
}

/** Shuts a login for good, until its next turn: no login, no password, no session, nothing that it owns. */
async function shut(context: UserContext, login: string, kept: Fields): Promise<void> {
  const { memberOf: group } = userOf(context.secret);
  const database = databaseOf(context);
  await managing(context, async (connection) => {
    const role = await findRole(connection, login);
    if (role === undefined) return;
    const keptRole = kept.user === undefined ? undefined : await findRole(connection, kept.user);
    // A staging that was refused is undone as well: then neither is this rotation's, and the login stays whose it is.
    const marks = [role, keptRole].map((found) => (found === undefined ? undefined : markOf(found)));
    if (!marks.some((mark) => mark?.rotation === context.rotation)) return;
    if (!role.administered) throw new PersonNeededError(notAdministered(role.name, database));
    context.signal.throwIfAborted();
    if (role.canLogin) await shutLogin(connection, login);
    await endSessions(connection, login);
    await handOver(connection, login, group);
  });
}

/**
 * Ends what is left of a login's turn before its next one: no login, no session, nothing that it owns. For a rotation that
 * revokes nothing at its end, so that whoever holds the value before goes on with it until then. Without effect on the
 * current login, on one that this rotation has staged, and on one that is not the secret's own (staging refuses that).
 * @returns who was still connected
 */
export async function endTurn(
  context: UserContext,
  login: string,
  current: Fields | undefined,
): Promise<string[]> {
  const { memberOf: group } = userOf(context.secret);
  const own = ownMark(context);
  if (login === current?.user) return [];
  return managing(context, async (connection) => {
    const role = await findRole(connection, login);
    const mark = role === undefined ? undefined : markOf(role);
    if (role === undefined || !isOfSame(mark, own) || mark?.rotation === own.rotation) return [];
    if (!role.administered) throw new PersonNeededError(notAdministered(login, databaseOf(context)));
    const by = await sessionsOf(connection, login);
    context.signal.throwIfAborted();
    if (role.canLogin) await shutLogin(connection, login);
    await endSessions(connection, login);
    await handOver(connection, login, group);
    return by;
  });
}

/**
 * The password of a single login that stays: set again where the new one is taken back. Sessions that began with the
 * other one go on, but not after a compromise.
 */
async function keepPassword(context: UserContext, kept: Fields): Promise<void> {
  const { user = "", password = "" } = kept;
  const { rotation, reason } = context;
  const accepted = await accepts(context, kept);
  const endsSessions = reason === "compromise" || reason === "leaver";
  if (accepted && !endsSessions) return;
  await managing(context, async (connection) => {
    const role = await findRole(connection, user);
    const mark = role === undefined ? undefined : markOf(role);
    if (role === undefined || mark?.rotation !== rotation) return;
    context.signal.throwIfAborted();
    if (!accepted) {
      // Taken back: the mark says so, or running it again would end sessions that began with this very password.
      await replacePassword(connection, role, {
        password,
        mark: { ...mark, of: ownMark(context).of, rotation: `${rotation}.back` },
      });
    } else if (mark.since !== undefined) await endSessions(connection, user, mark.since);
  });
}

/**
 * The login has exactly its group's rights, and everything that the login before it may do, however that got it.
 * @throws ProbeError
 */
async function checkRights(
  session: Connection,
  {
    login,
    group,
    before,
    database,
  }: { login: string; group: string; before: string | undefined; database: UserDatabase },
): Promise<void> {
  const fail = (problem: string): never => {
    throw new ProbeError(`${login} of ${database.id} ${problem}`);
  };
  const { rows } = await session.query<{ acts: string }>("select current_user as acts");
  if (rows[0]?.acts !== group) fail(`acts as ${rows[0]?.acts}, not as its group ${group}`);
  const role = await findRole(session, login);
  const { memberOf = [] } = role ?? {};
  if (memberOf.join() !== group)
    fail(
      `is a member of ${memberOf.join(", ") || "no group"}, not of ${group} alone: let a DBA revoke the others`,
    );
  const own = await rightsDiffer(session, login, group);
  if (own.extra.length > 0)
    fail(`may do more than its group ${group}: ${own.extra.join(", ")}; let a DBA revoke it from ${login}`);
  if (before === undefined) return;
  const other = await findRole(session, before);
  const groups = database.groups.map(({ name }) => name);
  // The catalogue gave it another group of this database: then it may do what that group says.
  const moved = other?.memberOf.every((name) => groups.includes(name) && name !== group);
  if (other === undefined || (moved && other.memberOf.length > 0)) return;
  const { missing } = await rightsDiffer(session, login, before);
  if (missing.length > 0)
    fail(
      `may not do what ${before} may: ${missing.join(", ")}; grant it to ${group} in the catalogue, or revoke it from ${before}`,
    );
}

/**
 * Whether a login with its password gets in. What comes after the password was right (no CONNECT, e.g.) counts as in.
 * @throws TargetUnavailableError where the server lets this machine ask about no login
 */
export async function accepts(context: UserContext, fields: Fields): Promise<boolean> {
  const session = await loginOrRefusal(context, fields);
  if (session instanceof pg.DatabaseError) {
    // 28000 is also what a role is told that may not log in. https://www.postgresql.org/docs/current/client-authentication-problems.html
    if (session.code === "28000" && session.message.includes("pg_hba.conf"))
      throw new TargetUnavailableError(`${context.secret.id}: ${session.message}`, { cause: session });
    return session.code !== "28P01" && session.code !== "28000";
  }
  await session.end();
  return true;
}

async function loginOrRefusal(
  context: UserContext,
  { user = "", password = "" }: Fields,
): Promise<Connection | pg.DatabaseError> {
  context.signal.throwIfAborted();
  try {
    return await context.reach.login(databaseOf(context), { user, password });
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error;
    throw error;
  }
}

async function managing<T>(context: UserContext, work: (connection: Connection) => Promise<T>): Promise<T> {
  context.signal.throwIfAborted();
  const database = databaseOf(context);
  const connection = await context.reach.manage(database);
  try {
    return await work(connection);
  } catch (error) {
    throw error instanceof pg.DatabaseError ? refused(database, error) : error;
  } finally {
    await connection.end();
  }
}

function userOf({ id, databaseUser }: UserContext["secret"]) {
  if (databaseUser === undefined) throw new Error(`${id} is not the password of a database user`);
  return databaseUser;
}

function databaseOf({ model, secret }: UserContext): UserDatabase {
  const { database: id } = userOf(secret);
  const found = model.databases.find((database) => database.id === id);
  if (found === undefined)
    throw new Error(`${secret.id} belongs to the database ${id}, which the model has not`);
  return found;
}

/** Names the secret by what a rename keeps: its logins are the same ones afterwards. */
function ownMark({ model, secret, rotation }: UserContext): Mark {
  const of = (id: string) => `${model.environment} ${id}`;
  return { of: of(keptId(secret)), earlier: of(secret.id), rotation };
}
