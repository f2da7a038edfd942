import assert from "node:assert/strict";
import { mkdtemp, readFile, realpath, rm, stat } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import {
  administrator,
  deleteServiceAccount,
  ensureReviewer,
  ensureServiceAccount,
  type KubernetesApi,
  KubernetesError,
  KubernetesUnreachableError,
  type LocalKubernetes,
  requestToken,
  startKubernetes,
  stopKubernetes,
} from "../../../local/kubernetes/index.ts";
import type { Step } from "../../../local/progress.ts";
import { layout } from "../../../local/services/home.ts";
import { servicesStatus, stopServices } from "../../../local/services/index.ts";
import { type KubernetesPortName, ProcessTable, stopProcess } from "../../../local/services/process-table.ts";

const quiet = () => {};
const bot = { namespace: "trading", name: "bot" };

let folder: string;
let home: string;
let kubernetes: LocalKubernetes;
let api: KubernetesApi;

before(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "keyplane-kubernetes-")));
  home = join(folder, "home");
  kubernetes = await startKubernetes(home, { report: quiet });
  api = await administrator(kubernetes);
});

after(async () => {
  await api?.close();
  await stopKubernetes(home, { report: quiet });
  await rm(folder, { recursive: true });
});

/** Kills processes of the stack and waits until they are gone. */
async function kill(...names: ("etcd" | "kube-apiserver")[]): Promise<void> {
  const table = await ProcessTable.read(home);
  for (const name of names) {
    const running = await table.running(name);
    assert.ok(running !== undefined, `${name} runs`);
    await stopProcess(running, "SIGKILL");
  }
}

async function portOf(name: KubernetesPortName): Promise<number> {
  return (await ProcessTable.read(home)).port(name) as number;
}

/** What Kubernetes says of a token, asked by whoever `asker` is. */
async function review(asker: KubernetesApi, token: string, audiences?: string[]) {
  const { status } = await asker.create<{
    status: { authenticated?: boolean; user?: { username: string } };
  }>("/apis/authentication.k8s.io/v1/tokenreviews", {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenReview",
    spec: { token, ...(audiences !== undefined && { audiences }) },
  });
  return { authenticated: status.authenticated === true, user: status.user?.username };
}

function refusedWith(status: number) {
  return (error: unknown) => {
    assert.ok(error instanceof KubernetesError);
    assert.equal(error.status, status);
    return true;
  };
}

test("is the pinned Kubernetes", async () => {
  const { gitVersion } = JSON.parse(await api.text("GET", "/version")) as { gitVersion: string };
  assert.equal(gitVersion, "v1.36.3");
});

test("answers nobody without a token, not even whether it is well", async () => {
  const stranger = new Agent({ connect: { ca: kubernetes.ca } });
  const { statusCode, body } = await request(`${kubernetes.host}/readyz`, { dispatcher: stranger });
  await body.dump();
  await stranger.close();
  assert.equal(statusCode, 401);
});

test("is reached only by who trusts the local CA", async () => {
  const agent = new Agent();
  await assert.rejects(request(`${kubernetes.host}/readyz`, { dispatcher: agent }), {
    code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  });
  await agent.close();
});

test("listens on 127.0.0.1 and nowhere else", async () => {
  const others = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.map(({ address, scopeid }) => (scopeid ? `${address}%${scopeid}` : address)),
  );
  const elsewhere = new Set([...others, "127.0.0.2", "::1"]);
  elsewhere.delete("127.0.0.1");
  for (const name of ["kube-apiserver", "etcd", "etcd-peer"] as const) {
    const port = await portOf(name);
    assert.equal(await answers("127.0.0.1", port), true, name);
    for (const address of elsewhere)
      assert.equal(await answers(address, port), false, `${name} at ${address}`);
  }
});

test("lets nobody into etcd but the API server's certificate", async () => {
  const { tls } = layout(home);
  for (const port of [await portOf("etcd"), await portOf("etcd-peer")]) {
    for (const name of [undefined, "etcd", "kube-apiserver"]) {
      const pair = name === undefined ? undefined : await readFile(tls.leaf(name), "utf8");
      const agent = new Agent({ connect: { ca: kubernetes.ca, cert: pair, key: pair } });
      await assert.rejects(
        request(`https://127.0.0.1:${port}/health`, { dispatcher: agent }),
        `${name} at port ${port}`,
      );
      await agent.close();
    }
  }
});

test("keeps its keys and tokens from other users, and out of the processes' arguments", async () => {
  const { kubernetes: at, tls } = layout(home);
  for (const file of [at.tokens, at.accountKey, at.etcdSettings, tls.leaf("etcd-client")]) {
    assert.equal((await stat(file)).mode & 0o777, 0o600, file);
  }
  const token = (await readFile(at.tokens, "utf8")).split(",")[0] as string;
  assert.equal(token.length, 64);
  const { processes } = JSON.parse(await readFile(layout(home).processes, "utf8")) as {
    processes: Record<string, { pid: number; command: string[] }>;
  };
  assert.deepEqual(Object.keys(processes).sort(), ["etcd", "kube-apiserver"]);
  assert.ok(!JSON.stringify(processes).includes(token));
  for (const log of ["etcd", "kube-apiserver"]) {
    assert.ok(!(await readFile(join(layout(home).logs, `${log}.log`), "utf8")).includes(token));
  }
});

test("starting it again changes nothing and says so", async () => {
  const before = await readFile(layout(home).processes, "utf8");
  const steps: Step[] = [];
  assert.deepEqual(await startKubernetes(home, { report: (step) => steps.push(step) }), kubernetes);
  assert.deepEqual([...new Set(steps.map(({ state }) => state))], ["unchanged"]);
  assert.equal(await readFile(layout(home).processes, "utf8"), before);
});

test("gives a service account a token bound to its audience and its end (R38)", async () => {
  await ensureServiceAccount(api, bot);
  await ensureServiceAccount(api, bot);
  const before = Math.floor(Date.now() / 1000);
  const { token, expires } = await requestToken(api, bot, { audiences: ["vault"], seconds: 600 });
  const claims = JSON.parse(Buffer.from(token.split(".")[1] as string, "base64url").toString()) as {
    aud: string[];
    sub: string;
    exp: number;
  };
  assert.deepEqual(claims.aud, ["vault"]);
  assert.equal(claims.sub, "system:serviceaccount:trading:bot");
  assert.equal(expires.getTime(), claims.exp * 1000);
  assert.ok(claims.exp >= before + 600 && claims.exp <= before + 605);
  const user = "system:serviceaccount:trading:bot";
  assert.deepEqual(await review(api, token, ["vault"]), { authenticated: true, user });
  assert.deepEqual(await review(api, token, ["another"]), { authenticated: false, user: undefined });
});

test("refuses to give a token for less than ten minutes", async () => {
  await ensureServiceAccount(api, bot);
  await assert.rejects(requestToken(api, bot, { seconds: 599 }), refusedWith(422));
});

/** Kubernetes remembers for ten seconds what it found out about a token. */
async function isVoidWithin(seconds: number, token: string): Promise<boolean> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(200)) {
    if (!(await review(api, token, ["vault"])).authenticated) return true;
  }
  return false;
}

test("voids every token of a service account that is deleted, also for one made again under its name", async () => {
  const short = { namespace: "trading", name: "short-lived" };
  await ensureServiceAccount(api, short);
  const { token } = await requestToken(api, short, { audiences: ["vault"] });
  assert.equal((await review(api, token, ["vault"])).authenticated, true);
  await deleteServiceAccount(api, short);
  assert.equal(await isVoidWithin(15, token), true);
  await ensureServiceAccount(api, short);
  assert.equal((await review(api, token, ["vault"])).authenticated, false);
});

test("a reviewer may ask whose a token is and read nothing (R7)", async () => {
  const reviewer = { namespace: "vault", name: "reviewer" };
  await ensureReviewer(api, reviewer);
  await ensureReviewer(api, reviewer);
  const own = await requestToken(api, reviewer);
  await ensureServiceAccount(api, bot);
  const asked = await requestToken(api, bot, { audiences: ["vault"] });
  const asReviewer = api.with(own.token);
  assert.equal((await review(asReviewer, asked.token, ["vault"])).user, "system:serviceaccount:trading:bot");
  await assert.rejects(asReviewer.read("/api/v1/namespaces/trading/secrets"), refusedWith(403));
  await assert.rejects(requestToken(asReviewer, bot), refusedWith(403));
});

test("a service account that is no reviewer may not ask (R7)", async () => {
  await ensureServiceAccount(api, bot);
  const { token } = await requestToken(api, bot);
  await assert.rejects(review(api.with(token), token), refusedWith(403));
});

test("an error names the request and Kubernetes' own reason, never what was sent", async () => {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "no_name" },
    stringData: { a: "planted-4711" },
  };
  const error = await api
    .create("/api/v1/namespaces/default/secrets", secret)
    .catch((caught: unknown) => caught);
  assert.ok(error instanceof KubernetesError);
  assert.equal(error.status, 422);
  assert.equal(error.reason, "Invalid");
  assert.match(
    error.message,
    /^Kubernetes: POST \/api\/v1\/namespaces\/default\/secrets: 422: .*metadata\.name/,
  );
  assert.ok(!error.message.includes("planted-4711"));
});

test("comes back with its objects and keys after both were killed, also by two starts at once", async () => {
  await ensureServiceAccount(api, bot);
  const { token } = await requestToken(api, bot, { audiences: ["vault"] });
  await kill("etcd", "kube-apiserver");
  const start = () => startKubernetes(home, { report: quiet });
  assert.deepEqual(await Promise.all([start(), start()]), [kubernetes, kubernetes]);
  assert.equal((await review(api, token, ["vault"])).user, "system:serviceaccount:trading:bot");
});

test("comes back with only the API server killed, and with only etcd killed", async () => {
  for (const name of ["kube-apiserver", "etcd"] as const) {
    await kill(name);
    assert.deepEqual(await startKubernetes(home, { report: quiet }), kubernetes);
    await ensureServiceAccount(api, bot);
    assert.equal((await requestToken(api, bot)).token.split(".").length, 3);
  }
});

test("runs on with new certificates when one had to be made again", async () => {
  await rm(layout(home).tls.leaf("etcd-client"));
  const before = await (await ProcessTable.read(home)).running("kube-apiserver");
  assert.deepEqual(await startKubernetes(home, { report: quiet }), kubernetes);
  const now = await (await ProcessTable.read(home)).running("kube-apiserver");
  assert.notEqual(now?.pid, before?.pid);
  await ensureServiceAccount(api, bot);
});

test("moves away from a port that someone took while it was stopped, and keeps its objects", async () => {
  await ensureServiceAccount(api, bot);
  const taken = await portOf("etcd");
  await stopKubernetes(home, { report: quiet });
  const squatter = await listen(taken);
  try {
    await startKubernetes(home, { report: quiet });
    assert.notEqual(await portOf("etcd"), taken);
    const path = "/api/v1/namespaces/trading/serviceaccounts/bot";
    assert.equal((await api.read<{ metadata: { name: string } }>(path))?.metadata.name, "bot");
  } finally {
    squatter.close();
  }
});

test("says that it cannot be reached once it is stopped, and stopping twice is no error", async () => {
  const steps: Step[] = [];
  await stopKubernetes(home, { report: (step) => steps.push(step) });
  await stopKubernetes(home, { report: (step) => steps.push(step) });
  assert.deepEqual(
    steps.map(({ subject, state }) => `${subject} ${state}`),
    ["kube-apiserver done", "etcd done", "kube-apiserver unchanged", "etcd unchanged"],
  );
  await assert.rejects(api.text("GET", "/readyz"), KubernetesUnreachableError);
});

test("taking the stack down ends Kubernetes before its folder goes", async () => {
  await startKubernetes(home, { report: quiet });
  const table = await ProcessTable.read(home);
  const pids = await Promise.all((["etcd", "kube-apiserver"] as const).map((name) => table.running(name)));
  await stopServices(home, { deleteData: true, report: quiet });
  for (const found of pids) assert.throws(() => process.kill(found?.pid as number, 0), { code: "ESRCH" });
  assert.deepEqual(
    (await servicesStatus(home)).map(({ state }) => state),
    ["stopped", "stopped", "stopped", "stopped"],
  );
});

/** Whether anything accepts a connection there. */
async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, timeout: 2_000 });
  return new Promise((resolve) => {
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

async function listen(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port }, resolve);
  });
  return server;
}
