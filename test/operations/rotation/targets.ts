import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { hashSync } from "bcryptjs";
import type { Vault } from "../../../clients/vault.ts";
import type { Model, Secret } from "../../../model/model.ts";
import { isLetIn } from "../../../operations/rotation/nats/login.ts";
import { NatsServer } from "../../../operations/rotation/nats/server.ts";
import { usersIn } from "../../../operations/rotation/nats/users-file.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { secretNamed, setValue } from "../../../operations/values/set.ts";
import type { Fields } from "../../../operations/values/shape.ts";
import { BybitServer } from "./bybit-server.ts";
import type { Crashes } from "./crash.ts";
import { IamServer } from "./iam-server.ts";
import { TestNats } from "./nats-server.ts";
import { OpenAiServer } from "./openai-server.ts";
import { ProviderServer } from "./provider-server.ts";
import { SlackServer } from "./slack-server.ts";
import type { TargetData } from "./target-scenario.ts";

/** A Vault with the rotation role, and the catalogue's model. */
export interface Platform {
  root: Vault;
  model: Model;
  address: string;
  ca: string;
  /** A client that is logged in as the rotation role. */
  login(): Promise<Vault>;
}

/** What a rotator works at, for tests that disturb it. */
export interface Target extends AsyncDisposable {
  /** A secret of its own with a value in force. */
  prepare(): Promise<TargetData>;
  /** Whether the target lets a version in, and the secret's version it is. */
  accepts(data: TargetData, fields: Fields): Promise<boolean>;
  /** The target knows this version of the secret, with the rights that it always had, and no other. */
  holdsOnly(data: TargetData, fields: Fields, at: string): Promise<void>;
  /** Every value that was made there. */
  values(): Set<string>;
  /** What it writes to its own logs and files. */
  log(): Promise<string>;
}

/** Users of a real nats-server (R33). */
export async function natsTarget(platform: Platform): Promise<Target> {
  const nats = await TestNats.start("users = [\n]\n");
  const [address = ""] = nats.target.servers;
  const values = new Set<string>();
  const accepts = ({ user = "", password = "" }: Fields) => {
    values.add(password);
    return isLetIn(address, { user, password });
  };
  return {
    async prepare() {
      const name = uniqueName("nats");
      const first = { user: `${name}-first`, password: randomBytes(32).toString("base64url") };
      const hash = hashSync(first.password, 4);
      const entry = `{ user: ${first.user}, password: "${hash}", permissions: { publish: ["${name}.>"] } }`;
      const running = new NatsServer(nats.target, { fetch, signal: new AbortController().signal });
      await running.change(
        (text) => text.replace("\n]", `\n  ${entry}\n]`),
        () => accepts(first),
      );
      return prepared(platform, "titan/nats", name, { first, change: { name, nats: nats.target } });
    },
    accepts: (_data, fields) => accepts(fields),
    async holdsOnly({ secret: { name } }, { user }, at) {
      const users = await nats.users();
      const mine = usersIn(users).map((one) => one.name);
      assert.deepEqual(
        mine.filter((one) => one.includes(name)),
        [user],
        at,
      );
      assert.match(users, new RegExp(`${user}.*publish: \\["${name}\\.>"\\]`), at);
      const staged = (await readdir(dirname(nats.target.usersFile))).filter((one) => one.endsWith(".tmp"));
      assert.deepEqual(staged, [], `${at}: what was staged holds a password's hash`);
    },
    values: () => values,
    log: async () => `${await nats.log()}${await nats.users()}`,
    [Symbol.asyncDispose]: () => nats[Symbol.asyncDispose](),
  };
}

/** Keys of a provider that lets two live (R15). */
export function providerTarget(platform: Platform): Promise<Target> {
  return keyTarget(platform, async () => {
    const server = await ProviderServer.start({ fields: ["key", "secret"], quota: 2 });
    const { address } = server;
    return {
      ...{ server, id: "trading-bot/exchange", provider: { name: "exchange", address } },
      first: server.issue(["keys", "trade"]).values,
      live: () => server.live().map(({ values, scopes }) => ({ fields: values, may: scopes })),
      made: () => server.keys.map(({ values }) => values),
    };
  });
}

/** Keys of service accounts at OpenAI (R20). */
export function openAiTarget(platform: Platform): Promise<Target> {
  return keyTarget(platform, async () => {
    const server = await OpenAiServer.start();
    const first = server.issue({ type: "user", user: { id: "user_ben" } }, "solo");
    const made = new Set<string>();
    return {
      ...{ server, id: "solo/openai", first: { key: first.value } },
      provider: { name: "openai", adapter: "openai", address: server.address },
      admin: { key: server.admin, secret: randomBytes(24).toString("hex") },
      live() {
        const accounts = [...server.accounts.keys()];
        const idle = accounts.filter((id) => !server.keys.some(({ owner }) => accountOf(owner) === id));
        for (const { value } of server.keys) made.add(value);
        return [
          ...server.keys.map(({ value }) => ({ fields: { key: value }, may: [] })),
          ...idle.map(() => ({ fields: { key: "none" }, may: ["an account without a key"] })),
        ];
      },
      made: () => [...made].map((key) => ({ key })),
    };
  });
}

/** Keys of a sub account at Bybit. */
export function bybitTarget(platform: Platform): Promise<Target> {
  return keyTarget(platform, async () => {
    const server = await BybitServer.start();
    // Whoever takes over after a crash comes a lease later: by its clock, not by this one.
    server.tolerates = 120_000;
    const [main, own] = [server.issue({ userID: 1 }), server.issue()];
    const fieldsOf = ({ apiKey: key, secret }: typeof own) => ({ key, secret });
    const made = new Map<string, Fields>();
    return {
      ...{ server, id: "titan/bybit", admin: fieldsOf(main), first: fieldsOf(own) },
      provider: { name: "bybit", adapter: "bybit", address: server.address },
      live() {
        for (const key of server.keys) made.set(key.apiKey, fieldsOf(key));
        const mine = server.keys.filter(({ userID }) => userID !== 1);
        return mine.map((key) => ({
          fields: fieldsOf(key),
          may: [JSON.stringify(key.permissions), ...key.ips],
        }));
      },
      made: () => [...made.values()],
    };
  });
}

/** Access keys at IAM, which carry no labels. */
export function accessKeyTarget(platform: Platform): Promise<Target> {
  return keyTarget(platform, async () => {
    const server = await IamServer.start();
    // The rotation's own probe is a use, which rolling back waits for to be a quarter of an hour old.
    server.usedEarlier = 20 * 60_000;
    const admin = server.issue("keyplane");
    const name = uniqueName("user");
    const fieldsOf = ({ id: user, secret: password }: typeof admin) => ({ user, password });
    return {
      ...{ server, id: "solo/minio", first: fieldsOf(server.issue(name)) },
      provider: { name: "aws", address: server.address },
      admin: { key: admin.id, secret: admin.secret },
      live() {
        const mine = server.keys.filter(({ user }) => user === name);
        return mine.map((key) => ({ fields: fieldsOf(key), may: [key.status] }));
      },
      made: () => server.keys.map(({ secret: password }) => ({ password })),
    };
  });
}

/** Tokens of a Slack app with token rotation (R16), of which two live at most. */
export function slackTarget(platform: Platform): Promise<Target> {
  return keyTarget(platform, async () => {
    const server = await SlackServer.start();
    const { token, refreshToken } = server.issue();
    const { id, secret } = server.client;
    return {
      ...{ server, id: "trading-bot/exchange", fields: ["token", "refresh-token"], given: "token" },
      first: { token, "refresh-token": refreshToken },
      provider: { name: "slack", adapter: "slack", address: server.address },
      admin: { "client-id": id, "client-secret": secret },
      live: () => [...server.tokens].map(([token, may]) => ({ fields: { token }, may })),
      made: () => server.given.map((token) => ({ token })),
    };
  });
}

/** One issuer of keys with a first one in force. */
interface Issuer {
  server: AsyncDisposable;
  /** The secret of the catalogue that stands for it. */
  id: string;
  provider: Pick<NonNullable<Secret["provider"]>, "name" | "adapter" | "address">;
  /** What the administration is called with, where it is not the key itself. */
  admin?: Fields;
  first: Fields;
  /** Where they are others than the catalogue's secret has, and the one that consumers get. */
  fields?: string[];
  given?: string;
  /** What is let in, and what it may do. */
  live(): { fields: Fields; may: string[] }[];
  /** As far as it is known. */
  made(): Fields[];
}

/** An issuer for each secret, so that nothing of another one is counted. */
async function keyTarget(platform: Platform, open: () => Promise<Issuer>): Promise<Target> {
  const opened: Issuer[] = [];
  const issuers = new Map<string, { issuer: Issuer; may: string[] }>();
  const of = ({ secret }: TargetData) => issuers.get(secret.source) ?? assert.fail();
  const live = (data: TargetData, fields: Fields) =>
    of(data)
      .issuer.live()
      .filter((one) => Object.entries(one.fields).every(([name, value]) => fields[name] === value));
  return {
    async prepare() {
      const issuer = await open();
      opened.push(issuer);
      const { id, provider, admin, first, fields, given } = issuer;
      const name = uniqueName("key");
      const credential = admin === undefined ? undefined : await withCredential(platform, name, admin);
      const change: Partial<Secret> = {
        // They do not tell of uses.
        ...(["bybit", "slack"].includes(provider.adapter ?? "") && { idle: { source: "none" } }),
        ...(fields !== undefined && { fields }),
        rotate: { by: "machine", overlap: 0, onCompromise: true },
        provider: {
          ...{ ...provider, api: true, rate: { requests: 1000, per: 1 } },
          ...(credential !== undefined && { credential: credential.id }),
        },
      };
      const data = await prepared(platform, id, name, { first, change, credential, given });
      const [before] = issuer.live();
      issuers.set(data.secret.source, { issuer, may: before?.may ?? [] });
      return data;
    },
    accepts: async (data, fields) => live(data, fields).some(({ may }) => !may.includes("Inactive")),
    async holdsOnly(data, fields, at) {
      const { issuer, may } = of(data);
      assert.deepEqual([issuer.live().length, live(data, fields).length], [1, 1], `${at}: keys that live`);
      assert.deepEqual(issuer.live()[0]?.may, may, at);
    },
    values() {
      const made = opened.flatMap((issuer) => issuer.made());
      return new Set(made.flatMap((fields) => Object.values(fields)));
    },
    log: async () => "",
    async [Symbol.asyncDispose]() {
      for (const { server } of opened) await server[Symbol.asyncDispose]();
    },
  };
}

function accountOf(owner: OpenAiServer["keys"][number]["owner"]): string {
  return owner.type === "user" ? "" : owner.service_account.id;
}

/** A secret that an administration is called with. */
async function withCredential({ login, model }: Platform, name: string, value: Fields): Promise<Secret> {
  const declared = secretNamed(model, "titan/binance");
  const paths = { source: `source/titan/admin-${name}`, journal: `rotation/titan/admin-${name}` };
  const secret: Secret = {
    ...declared,
    ...paths,
    id: `titan/admin-${name}`,
    consumers: [],
    fields: Object.keys(value),
  };
  await setValue({ vault: await login(), model, by: "keyplane.rotate" }, secret, value, () => {});
  return secret;
}

/** Crashes of rotations at a target: what any consumer holds is let in at every moment. */
export function crashesAt(platform: Platform, target: Target): Crashes<TargetData> {
  const firsts = new Map<string, Fields>();
  return {
    scenario: import.meta.resolve("./target-scenario.ts"),
    async prepare() {
      const data = await target.prepare();
      firsts.set(data.secret.source, await sourceOf(platform, data));
      return data;
    },
    async held(data, at) {
      for (const fields of await deliveredOf(platform, data))
        assert.ok(await target.accepts(data, fields), at);
    },
    async converged(data, { state }, at) {
      const source = await sourceOf(platform, data);
      const first = firsts.get(data.secret.source) ?? {};
      if (state === "rolled-back") assert.deepEqual(source, first, at);
      else assert.equal(await target.accepts(data, first), false, `${at}: the first value is let in`);
      assert.ok(await target.accepts(data, source), at);
      for (const fields of await deliveredOf(platform, data))
        for (const [name, value] of Object.entries(fields)) assert.equal(value, source[name], at);
      await target.holdsOnly(data, source, at);
    },
    values: () => target.values(),
  };
}

export async function sourceOf({ root, model }: Platform, { secret }: TargetData): Promise<Fields> {
  return (await readFields(root, model.vault.mounts.kv, secret.source)) ?? {};
}

/** What each consumer's path holds. */
export async function deliveredOf({ root, model }: Platform, { secret }: TargetData): Promise<Fields[]> {
  const { kv } = model.vault.mounts;
  assert.ok(secret.consumers.length > 0);
  return Promise.all(secret.consumers.map(async ({ path }) => (await readFields(root, kv, path)) ?? {}));
}

function uniqueName(kind: string): string {
  return `${kind}-${randomBytes(4).toString("hex")}`;
}

/** A secret of the real catalogue at paths of its own, with a first value. */
async function prepared(
  { model: whole, login, address, ca }: Platform,
  id: string,
  name: string,
  {
    first,
    change,
    credential,
    given,
  }: {
    first: Fields;
    change: Partial<Secret>;
    credential?: Secret | undefined;
    given?: string | undefined;
  },
): Promise<TargetData> {
  const declared = secretNamed(whole, id);
  const { system } = declared;
  const secret: Secret = {
    ...declared,
    rotate: { ...declared.rotate, overlap: 0 },
    source: `source/${system}/${name}`,
    journal: `rotation/${system}/${name}`,
    evidence: `evidence/${system}/${name}`,
    // A CI job that began before the switch would be waited for.
    consumers: declared.consumers
      .filter(({ kind }) => kind === "service")
      .map((one) => ({
        ...one,
        path: `services/${system}/${one.name}/${name}`,
        ...(given !== undefined && { as: { VALUE: given } }),
      })),
    ...change,
  };
  const others = whole.secrets.filter((one) => one.id !== id);
  const secrets = [secret, ...others, ...(credential === undefined ? [] : [credential])];
  const model = { ...whole, secrets, rotation: { ...whole.rotation, watch: 0 } };
  const vault = await login();
  await setValue({ vault, model, by: "keyplane.rotate" }, secret, first, () => {});
  return { vault: { address, ca, token: vault.token ?? "" }, model, secret };
}
