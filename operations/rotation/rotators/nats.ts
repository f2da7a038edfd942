import { compare, hash } from "bcryptjs";
import type { NatsTarget, Secret } from "../../../model/model.ts";
import { fit } from "../../../model/names.ts";
import { generate } from "../../values/generate.ts";
import type { Fields } from "../../values/shape.ts";
import { isLetIn } from "../nats/login.ts";
import { NatsServer } from "../nats/server.ts";
import { sameRights, UsersFileError, usersIn, withoutUser, withUser } from "../nats/users-file.ts";
import {
  ProbeError,
  type Rotator,
  type RotatorContext,
  StillAcceptedError,
  TargetUnavailableError,
} from "../rotator.ts";

/**
 * bcrypt's lowest cost: its slowness protects passwords that can be guessed, and these are 32 random bytes. Each login
 * costs the server so much, and after its restart all clients log in at once.
 */
const cost = 4;

/** bcrypt reads no more of a password. */
const longestPassword = 72;

/** Users of a nats-server (R33): a second one with the same permissions, then the first one goes. */
export const nats: Rotator = {
  async create({ secret, rotation }) {
    const { generator } = secret;
    if (generator.by !== "machine") throw new UsersFileError(`${secret.id} is not made by a machine`);
    const base = fit(`${secret.system}-${secret.name}`, 40);
    return { user: `${base}-${rotation.slice(0, 12)}`, password: generate(generator) };
  },

  async stage(context, next, current) {
    const { server, target } = open(context);
    const [{ user, password }, like] = [login(next), current === undefined ? undefined : login(current).user];
    if (Buffer.byteLength(password) > longestPassword) {
      throw new UsersFileError(
        `${context.secret.id}: bcrypt takes passwords of at most 72 bytes: make it of fewer`,
      );
    }
    if (like === undefined) {
      throw new UsersFileError(
        `${context.secret.id} has no value yet, so it is not known which permissions its user gets: run \`keyplane up\`, and add the user that it made to ${target.usersFile}`,
      );
    }
    const hashed = await hash(password, cost);
    const known = usersIn(await server.users()).find(({ name }) => name === user)?.password?.text;
    // The same password has another hash each time: a file that is right is left as it is.
    const kept = known !== undefined && (await compare(password, known)) ? known : hashed;
    await server.change(
      (text) => withUser(text, user, { like, hash: kept }),
      () => everyServer(target, next),
    );
  },

  async probe(context, next, current) {
    const { server, target } = open(context);
    const { id } = context.secret;
    if (!(await everyServer(target, next)))
      throw new ProbeError(`${id}: the new user is refused by nats-server`);
    if (current === undefined) return;
    const text = await server.users();
    if (!usersIn(text).some(({ name }) => name === login(current).user)) return;
    if (!sameRights(text, login(next).user, login(current).user)) {
      throw new ProbeError(
        `${id}: the new user has other permissions in ${target.usersFile} than the one before`,
      );
    }
  },

  async accepts(context, version) {
    const { target } = open(context);
    if (await everyServer(target, version)) return true;
    if (await anyServer(target, version)) {
      throw new TargetUnavailableError(
        `${context.secret.id}: one nats-server refuses a user whom another one lets in: have each read its users file again`,
      );
    }
    return false;
  },

  async idle(context, old) {
    const { server, target } = open(context);
    const found = await server.connections(login(old).user);
    if (found === undefined) {
      return {
        state: "unknown",
        why: `${context.secret.id} names no monitoring of nats-server: give \`nats.monitor\``,
      };
    }
    const window = context.model.rotation.watch * 1000;
    // Who has just lost its connection may come back with the same user.
    const recent = found.connections.filter(
      ({ ended }) => ended === undefined || found.at.getTime() - ended.getTime() < window,
    );
    const by = [...new Set(recent.map(({ name }) => name))].filter((name) => name !== "keyplane").toSorted();
    return by.length > 0
      ? { state: "in use", by, evidence: `nats-server shows connections of the old user: ${by.join(", ")}` }
      : { state: "idle", evidence: `nats-server at ${target.monitor} shows no connection of the old user` };
  },

  async revoke(context, old) {
    const { server, target } = open(context);
    const { user } = login(old);
    const there = usersIn(await server.users()).some(({ name }) => name === user);
    // Killed while the file with it was staged, and taken back: nobody would write there again.
    if (!there && !(await anyServer(target, old))) await server.tidy();
    else
      await server.change(
        (text) => withoutUser(text, user),
        async () => !(await anyServer(target, old)),
      );
    return undefined;
  },

  heals: ({ id, nats: target }) =>
    `add a user to ${target?.usersFile} and give it with \`keyplane set ${id}\`, or \`keyplane rotate ${id}\` where its user stands there`,

  async verify(context, old) {
    const { target } = open(context);
    if (await anyServer(target, old)) {
      throw new StillAcceptedError(`${context.secret.id}: nats-server still lets the old user in`);
    }
  },
};

function open({ secret, reach, signal, model }: RotatorContext): { server: NatsServer; target: NatsTarget } {
  const target = targetOf(secret, model.environment);
  return { target, server: new NatsServer(target, { fetch: reach.fetch, signal }) };
}

function targetOf({ id, nats: target }: Secret, environment: string): NatsTarget {
  if (target !== undefined) return target;
  throw new UsersFileError(
    `${id} cannot rotate in ${environment}: give \`nats: { servers, users-file, pid-file }\` in the catalogue`,
  );
}

function login({ user = "", password = "" }: Fields): { user: string; password: string } {
  return { user, password };
}

async function everyServer({ servers }: NatsTarget, fields: Fields): Promise<boolean> {
  for (const server of servers) if (!(await isLetIn(server, login(fields)))) return false;
  return true;
}

async function anyServer({ servers }: NatsTarget, fields: Fields): Promise<boolean> {
  for (const server of servers) if (await isLetIn(server, login(fields))) return true;
  return false;
}
