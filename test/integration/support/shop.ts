import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Vault } from "../../../clients/vault.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import type { Consumer, Model, Secret } from "../../../model/model.ts";
import { renderPolicy } from "../../../model/policies.ts";
import { deliverTo } from "../../../operations/values/deliver.ts";
import { startTestVault, type TestVault } from "../../operations/vault.ts";

/** A system of three services, each with another way to take a new value, on a Vault of its own. */
const system = `
system: shop
owner: ada
description: A shop of three services
services:
  restarter: { runs-on: supervisor, user: 0, reload: restart, deliver: [{ to: files, folder: /run/restarter }] }
  watcher: { runs-on: supervisor, user: 0, reload: watch, deliver: [{ to: files, folder: /run/watcher }] }
  lacking: { runs-on: supervisor, user: 0, reload: restart, deliver: [{ to: files, folder: /run/lacking }] }
  signalled:
    runs-on: supervisor
    user: 0
    reload: { signal: SIGHUP }
    deliver: [{ to: files, folder: /run/signalled }]
secrets:
  token:
    class: sensitive
    kind: token
    rotate: { by: hand, every: 30d, overlap: 1h }
    idle: sinks
    consumers:
      restarter: &both { as: { SHOP_TOKEN_FILE: token, SHOP_TOKEN: token } }
      watcher: *both
      signalled: *both
  other:
    class: sensitive
    kind: token
    rotate: { by: hand, every: 30d, overlap: 1h }
    idle: sinks
    consumers:
      restarter: { as: { SHOP_OTHER: token } }
      lacking: { as: { SHOP_OTHER: token, SHOP_OTHER_FILE: token } }
settings:
  LAB: { value: true, services: [restarter] }
`;

export interface Shop extends AsyncDisposable {
  catalogue: string;
  /** Of its environment "staging". */
  model: Model;
  vault: TestVault;
  /** Temporary; holds the commands' state. */
  folder: string;
  /** Brings a value to a service's own path, as a rotation does. Returns the path's version. */
  bring(secret: string, service: string, value: string): Promise<number>;
  /** Role id and secret id of a service's host. */
  appRole(service: string): Promise<{ roleId: string; secretId: string }>;
  /** Nobody answers at Vault's address, until it is back with all that it had. */
  away(): Promise<void>;
  back(): Promise<void>;
}

export async function startShop(): Promise<Shop> {
  const vault = await startTestVault();
  const gate = await Gate.before(Number(new URL(vault.address).port));
  const folder = await mkdtemp(join(tmpdir(), "keyplane-shop-"));
  const dispose = async () => {
    await gate.close();
    await vault.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const catalogue = join(folder, "catalogue");
    await cp("catalogue", catalogue, { recursive: true });
    const file = join(catalogue, "organization.yaml");
    const text = await readFile(file, "utf8");
    const at = "https://vault.staging.acme.example";
    assert.ok(text.includes(at));
    await writeFile(file, text.replace(at, `https://127.0.0.1:${gate.port}`));
    await writeFile(join(catalogue, "systems", "shop.yaml"), system);
    const model = derive(await loadCatalogue(catalogue), "staging");
    await prepare(vault.root, model);
    return {
      catalogue,
      model,
      vault,
      folder,
      bring: (secret, service, value) => bring(vault.root, model, secret, service, value),
      appRole: (service) => appRole(vault.root, model, service),
      away: () => gate.close(),
      back: () => gate.open(),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Passes connections on to a port of this machine, until it is closed. */
class Gate {
  port = 0;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  private constructor(target: number) {
    this.#target = target;
  }

  static async before(target: number): Promise<Gate> {
    const gate = new Gate(target);
    await gate.open();
    return gate;
  }

  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((from) => {
      const to = connect(this.#target, "127.0.0.1");
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#sockets.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(this.port, "127.0.0.1", resolve);
    });
    this.port = (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

async function prepare(root: Vault, model: Model): Promise<void> {
  const { kv, transit } = model.vault.mounts;
  await root.write(`sys/mounts/${kv}`, { type: "kv", options: { version: "2" } });
  await root.write(`sys/mounts/${transit}`, { type: "transit" });
  await root.write(`${transit}/keys/${model.vault.fingerprintKey}`, { type: "hmac", key_size: 32 });
  await root.write("sys/auth/approle", { type: "approle" });
  for (const policy of model.policies.filter(({ of }) => of.id.startsWith("shop/"))) {
    await root.write(`sys/policies/acl/${policy.name}`, { policy: renderPolicy(policy) });
  }
  for (const role of model.appRoles.filter(({ service }) => service.startsWith("shop/"))) {
    await root.write(`auth/approle/role/${role.name}`, {
      token_policies: role.policies,
      token_ttl: role.ttl,
    });
  }
}

async function bring(root: Vault, model: Model, id: string, service: string, value: string): Promise<number> {
  const [secret, consumer] = consumerOf(model, id, service);
  return deliverTo({ vault: root, model, by: "test" }, secret, consumer, {
    source: 1,
    fields: { token: value },
  });
}

export function consumerOf(model: Model, id: string, service: string): [Secret, Consumer] {
  const secret = model.secrets.find((candidate) => candidate.id === id);
  const consumer = secret?.consumers.find((candidate) => candidate.id === service);
  assert.ok(secret !== undefined && consumer !== undefined);
  return [secret, consumer];
}

async function appRole(root: Vault, model: Model, service: string) {
  const role = model.appRoles.find((candidate) => candidate.service === service);
  assert.ok(role !== undefined);
  const path = `auth/approle/role/${role.name}`;
  const id = await root.request<{ role_id: string }>("GET", `${path}/role-id`);
  const secret = await root.write<{ secret_id: string }>(`${path}/secret-id`);
  return { roleId: id.data.role_id, secretId: secret.data.secret_id };
}

/** What a reporting service (services/reporter.mjs) wrote down. */
export interface Said {
  event: string;
  pid: number;
  variables: Record<string, string>;
  files: Record<string, string>;
}

/** The lines of a reporter, once there is one that is wanted; fails after a minute. */
export async function saidIn(log: string, wanted: (said: Said[]) => boolean): Promise<Said[]> {
  for (const end = Date.now() + 60_000; ; await wait(25)) {
    const said = linesOf(await readFile(log, "utf8").catch(() => ""));
    if (wanted(said)) return said;
    assert.ok(Date.now() < end, `the service said ${said.map(({ event }) => event).join(", ") || "nothing"}`);
  }
}

function linesOf(text: string): Said[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Said);
}
