import assert from "node:assert/strict";
import { chmod, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { hashSync } from "bcryptjs";
import type { Model } from "../../../model/model.ts";
import { isLetIn } from "../../../operations/rotation/nats/login.ts";
import { usersIn } from "../../../operations/rotation/nats/users-file.ts";
import {
  ProbeError,
  StillAcceptedError,
  TargetUnavailableError,
} from "../../../operations/rotation/rotator.ts";
import { nats } from "../../../operations/rotation/rotators/nats.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { TestNats } from "./nats-server.ts";
import { catalogueModel, contextOf, everythingOf, type TestContext } from "./rotator-context.ts";

let model: Model;
before(async () => {
  model = await catalogueModel();
});

const current = { user: "titan-nats-first", password: "the-first-password-of-titan" };
const other = { user: "grafana", password: "the-password-of-grafana" };

/** titan's user, which may publish signals, and another team's. */
const users = `# titan and grafana
users = [
  { user: titan-nats-first, password: "${hashSync(current.password, 4)}", permissions: { publish: ["signals.>", "_INBOX.>"], subscribe: ["signals.>", "_INBOX.>"] } }
  { user: grafana, password: "${hashSync(other.password, 4)}", permissions: { publish: [], subscribe: "metrics.>" } } # theirs
]
`;

interface World extends AsyncDisposable {
  server: TestNats;
  context: TestContext;
}

async function world(text = users): Promise<World> {
  const server = await TestNats.start(text);
  const context = contextOf(model, "titan/nats", { change: { nats: server.target } });
  return { server, context, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const letIn = ({ server }: World, as: Fields) =>
  isLetIn(server.target.servers[0] ?? "", { user: as.user ?? "", password: as.password ?? "" });

async function client({ server }: World, as: Fields, name: string): Promise<NatsConnection> {
  return connect({
    servers: server.target.servers,
    user: as.user ?? "",
    pass: as.password ?? "",
    name,
    reconnect: false,
  });
}

const names = async ({ server }: World) => usersIn(await server.users()).map(({ name }) => name);

test("titan's user is made anew beside the old one, which is refused afterwards (R33)", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  assert.deepEqual(
    [await letIn(w, next), await letIn(w, current), await letIn(w, other)],
    [true, true, true],
  );
  await nats.probe(w.context, next, current);
  await nats.revoke(w.context, current, next);
  await nats.verify(w.context, current, next);
  assert.deepEqual(
    [await letIn(w, next), await letIn(w, current), await letIn(w, other)],
    [true, false, true],
  );
  assert.deepEqual(await names(w), [next.user, "grafana"]);
});

test("another server knows no user of a rotation: neither seems to be let in there (R26)", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  await using elsewhere = await world("users = [ { user: grafana, password: x } ]");
  for (const user of [next, current]) {
    await nats.probe(w.context, user, undefined);
    await assert.rejects(nats.probe(elsewhere.context, user, undefined), ProbeError);
  }
});

test("the new user may do exactly what the old one may, at the server itself", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  for (const as of [current, next]) {
    const connection = await client(w, as, "titan-brain");
    const refused: string[] = [];
    const watching = (async () => {
      for await (const { error } of connection.status() as AsyncIterable<{ error?: Error }>) {
        if (error !== undefined) refused.push(error.message);
      }
    })();
    const heard = connection.subscribe("signals.>", { max: 1 });
    connection.publish("signals.buy", "1");
    for await (const message of heard) assert.equal(message.string(), "1");
    connection.publish("metrics.cpu", "1");
    await connection.flush();
    await connection.close();
    await watching;
    assert.deepEqual(refused.length, 1, as.user);
    assert.match(refused[0] ?? "", /metrics\.cpu/);
  }
});

test("the file keeps its other lines, its owner and mode 600, holds hashes only, and nothing is left beside it", async () => {
  await using w = await world();
  await chmod(w.server.target.usersFile, 0o644);
  const before = await stat(w.server.target.usersFile);
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  const after = await stat(w.server.target.usersFile);
  assert.deepEqual([after.mode & 0o777, after.uid, after.gid], [0o600, before.uid, before.gid]);
  const text = await w.server.users();
  assert.ok(!text.includes(next.password ?? ""));
  assert.deepEqual(
    text.split("\n").filter((line) => !line.includes(next.user ?? "")),
    users.replace("] } }\n  { user: grafana", "] } },\n  { user: grafana").split("\n"),
  );
  assert.deepEqual(
    (await readdir(w.server.folder)).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("staged a second time, nothing is written and the server reads nothing again", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  const before = [await w.server.users(), await w.server.loadedAt()];
  await nats.stage(w.context, next, current);
  assert.deepEqual([await w.server.users(), await w.server.loadedAt()], before);
});

test("killed between the file and the signal, the next run makes the server read it", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  const staged = await w.server.users();
  await nats.revoke(w.context, next, current);
  await writeFile(w.server.target.usersFile, staged);
  assert.equal(await letIn(w, next), false);
  await nats.stage(w.context, next, current);
  assert.equal(await letIn(w, next), true);
});

test("two rotations at once in one file lose no user", async () => {
  await using w = await world();
  const theirs = contextOf(model, "titan/nats", {
    change: { nats: w.server.target, name: "grafana", id: "titan/grafana" },
    rotation: "another-rotation",
  });
  const [mine, yours] = await Promise.all([nats.create(w.context, current), nats.create(theirs, other)]);
  await Promise.all([nats.stage(w.context, mine, current), nats.stage(theirs, yours, other)]);
  assert.deepEqual(await names(w), ["titan-nats-first", mine.user, "grafana", yours.user]);
  assert.deepEqual([await letIn(w, mine), await letIn(w, yours)], [true, true]);
});

test("the old user is in use by the clients that the server names, also those of a moment ago", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  const brain = await client(w, current, "titan-brain");
  const sentinel = await client(w, current, "titan-sentinel");
  const moved = await client(w, next, "titan-execution-rs");
  await sentinel.close();
  const found = await nats.idle(w.context, current, next);
  assert.deepEqual(
    [found.state, found.state === "in use" && found.by],
    ["in use", ["titan-brain", "titan-sentinel"]],
  );
  await brain.close();
  await moved.close();
  const later = { ...w.context, model: { ...model, rotation: { ...model.rotation, watch: 0 } } };
  // The server hears of the end of a connection a moment later.
  let last = await nats.idle(later, current, next);
  for (const end = Date.now() + 30_000; last.state !== "idle" && Date.now() < end; ) {
    last = await nats.idle(later, current, next);
  }
  assert.equal(last.state, "idle");
});

test("without monitoring, whether the old user is idle is unknown, and everything else works", async () => {
  await using w = await world();
  const { monitor: _, ...target } = w.server.target;
  const context = { ...w.context, secret: { ...w.context.secret, nats: target } };
  const next = await nats.create(context, current);
  await nats.stage(context, next, current);
  await nats.probe(context, next, current);
  assert.deepEqual(await nats.idle(context, current, next), {
    state: "unknown",
    why: "titan/nats names no monitoring of nats-server: give `nats.monitor`",
  });
  await nats.revoke(context, current, next);
  await nats.verify(context, current, next);
  assert.equal(await letIn(w, current), false);
});

test("the old user's connections end at its revocation, those of others stay", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  const [old, moved, theirs] = await Promise.all([
    client(w, current, "titan-brain"),
    client(w, next, "titan-sentinel"),
    client(w, other, "grafana"),
  ]);
  await nats.revoke(w.context, current, next);
  await old.closed();
  assert.deepEqual([old.isClosed(), moved.isClosed(), theirs.isClosed()], [true, false, false]);
  await moved.flush();
  await Promise.all([moved.close(), theirs.close()]);
});

test("rolled back, the new user is gone and the file is as it was", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  await nats.revoke(w.context, next, current);
  await nats.verify(w.context, next, current);
  await nats.revoke(w.context, next, current);
  assert.deepEqual(await names(w), ["titan-nats-first", "grafana"]);
  assert.deepEqual([await letIn(w, next), await letIn(w, current)], [false, true]);
});

test("which of two users nats-server lets in is told before one is removed", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  const letIn = [current, next].map((version) => nats.accepts?.(w.context, version));
  assert.deepEqual(await Promise.all(letIn), [true, false]);
});

test("a user whom one nats-server lets in and another one refuses is taken for neither: somebody has to have it read its file", async () => {
  await using w = await world();
  await using other = await TestNats.start('users = [\n  { user: grafana, password: "a" }\n]\n');
  const servers = [...w.server.target.servers, ...other.target.servers];
  const secret = { ...w.context.secret, nats: { ...w.server.target, servers } };
  await assert.rejects(async () => nats.accepts?.({ ...w.context, secret }, current), {
    name: "TargetUnavailableError",
  });
});

for (const [what, spoil, expected] of [
  ["is refused", (text: string, user: string) => text.replace(user, "somebody"), /the new user is refused/],
  [
    "has other permissions",
    (text: string) =>
      text.replace(/(publish: \[)("signals.>", "_INBOX.>"\], subscribe.*\n.*publish: \[)/, '$1">", $2'),
    /the new user has other permissions/,
  ],
] as const)
  test(`a new user that ${what} fails its probe`, async () => {
    await using w = await world();
    const next = await nats.create(w.context, current);
    await nats.stage(w.context, next, current);
    const text = await w.server.users();
    const spoilt = spoil(text, next.user ?? "");
    assert.notEqual(spoilt, text);
    const loaded = await w.server.loadedAt();
    await writeFile(w.server.target.usersFile, spoilt);
    process.kill(w.server.pid, "SIGHUP");
    while ((await w.server.loadedAt()) === loaded);
    const error = await nats.probe(w.context, next, current).catch((caught: Error) => caught);
    assert.ok(error instanceof ProbeError);
    assert.match(error.message, expected);
  });

test("an old user that is still let in is told", async () => {
  await using w = await world();
  await assert.rejects(nats.verify(w.context, current, current), StillAcceptedError);
});

test("a change that the server does not take over is taken back, so that it can still be started", async () => {
  await using w = await world();
  await writeFile(join(w.server.folder, "nats.conf"), "this is no configuration {");
  const { NatsServer } = await import("../../../operations/rotation/nats/server.ts");
  const server = new NatsServer(w.server.target, { fetch, signal: w.context.signal, patience: 500 });
  await assert.rejects(
    server.change(
      (text) => text.replace("titan and grafana", "changed"),
      async () => true,
    ),
    TargetUnavailableError,
  );
  assert.equal(await w.server.users(), users);
});

for (const [what, spoil, expected] of [
  ["names another process", `${process.pid}`, /names is \w+, no nats-server: start it again$/],
  ["names nobody", "99999999", /names is not there, no nats-server/],
  ["is empty", "", /names no process/],
] as const)
  test(`nobody gets a signal where the pid file ${what}, and the users file is as it was`, async () => {
    await using w = await world();
    await writeFile(w.server.target.pidFile, spoil);
    const next = await nats.create(w.context, current);
    await assert.rejects(nats.stage(w.context, next, current), {
      name: "TargetUnavailableError",
      message: expected,
    });
    assert.equal(await w.server.users(), users);
  });

test("a users file that is a link, or does not exist, is not written", async () => {
  await using w = await world();
  const next = await nats.create(w.context, current);
  const at = (usersFile: string) => ({
    ...w.context,
    secret: { ...w.context.secret, nats: { ...w.server.target, usersFile } },
  });
  const link = join(w.server.folder, "link.conf");
  await symlink(w.server.target.usersFile, link);
  await assert.rejects(nats.stage(at(link), next, current), /is a symbolic link/);
  await assert.rejects(nats.stage(at(join(w.server.folder, "none", "users.conf")), next, current), {
    name: "UsersFileError",
    message: /^there is no .*none\/users\.conf: write `users = \[ … \]` there/,
  });
  assert.equal(await readFile(link, "utf8"), users);
});

test("a server that is down is tried again later, and no error holds a password", async () => {
  const w = await world();
  const next = await nats.create(w.context, current);
  await nats.stage(w.context, next, current);
  process.kill(w.server.pid, "SIGKILL");
  for (const call of [
    () => nats.probe(w.context, next, current),
    () => nats.accepts?.(w.context, next) ?? assert.fail(),
    () => nats.idle(w.context, current, next),
    () => nats.revoke(w.context, current, next),
    () => nats.verify(w.context, current, next),
  ]) {
    const error = await call().then(
      () => assert.fail("it went well"),
      (caught: unknown) => caught,
    );
    assert.ok(error instanceof TargetUnavailableError);
    const said = everythingOf(error);
    assert.ok(!said.includes(next.password ?? "") && !said.includes(current.password));
  }
  assert.deepEqual(await names(w), ["titan-nats-first", next.user, "grafana"]);
  await w[Symbol.asyncDispose]();
});

test("a server that takes connections and answers nobody is tried again later, not taken for one that refuses", async () => {
  await using w = await world();
  process.kill(w.server.pid, "SIGSTOP");
  const address = w.server.target.servers[0] ?? "";
  await assert.rejects(isLetIn(address, current, 300), TargetUnavailableError);
  process.kill(w.server.pid, "SIGCONT");
  assert.equal(await isLetIn(address, current), true);
});

test("a first value whose user is not in the file says whom to add, and is taken back without a trace", async () => {
  await using w = await world();
  const first = await nats.create(w.context, undefined);
  await assert.rejects(nats.stage(w.context, first, undefined), /add the user that it made to/);
  await nats.revoke(w.context, first, {});
  await nats.verify(w.context, first, {});
  assert.equal(await w.server.users(), users);
});
