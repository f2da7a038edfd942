import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { jwtVerify, SignJWT } from "jose";
import type { Secret, SecretKind } from "../../../model/model.ts";
import { rotate } from "../../../operations/rotation/engine.ts";
import { FernetKey } from "../../../operations/rotation/re-encryption/fernet.ts";
import { byHand } from "../../../operations/rotation/rotators/by-hand.ts";
import { rotatorOf } from "../../../operations/rotation/rotators/index.ts";
import { keyOf } from "../../../operations/values/jwks.ts";
import { readFields } from "../../../operations/values/kv.ts";
import { type Fields, pairNames } from "../../../operations/values/shape.ts";
import type { OwnData } from "./own-scenario.ts";
import type { DatabaseServer } from "./postgres-server.ts";
import { quick } from "./quick.ts";
import { inSoma } from "./re-encryption/api-keys.ts";
import { isLetIn, ValueServer } from "./value-server.ts";

type Role = Secret["consumers"][number]["role"];

/** What is protected. */
interface Where {
  server: DatabaseServer;
  secret: Secret;
  /** What lets in whoever shows a password or key. */
  door: ValueServer;
  /** Every version of the source that is left. */
  sources: Fields[];
}

/** Named by the first consumer: what it signs, encrypts or shows, and what every other one accepts of it. */
type Works = (where: Where, held: Map<string, Fields>, at: string) => Promise<void>;

const plaintexts = Array.from({ length: 25 }, (_, index) => `sk-live-${index}`);
let count = 0;

/** A kind that has no target but its consumers, and what is stored under it in Postgres. */
export class OwnCase {
  readonly kind: SecretKind;
  readonly #server: DatabaseServer;
  readonly #id: string;
  readonly #roles: Role[];
  readonly #works: Works;
  readonly #values = new Map<string, Set<string>>();
  /** What was in force before, by the secret's journal. */
  readonly #firsts = new Map<string, Fields>();
  readonly #doors = new Map<string, ValueServer>();
  /** What was left of each source when its consumers were looked at. */
  readonly #sources = new Map<string, Fields[]>();

  private constructor(server: DatabaseServer, [kind, id, roles, works]: (typeof everywhere)[number]) {
    this.kind = kind;
    this.#server = server;
    this.#id = id;
    this.#roles = roles;
    this.#works = works;
  }

  static all(server: () => DatabaseServer): [kind: SecretKind, open: () => OwnCase][] {
    return everywhere.map((one) => [one[0], () => new OwnCase(server(), one)]);
  }

  /** What signs works with what verifies, and every row opens. */
  works({ secret }: OwnData, held: Map<string, Fields>, at: string): Promise<void> {
    const door = this.#doors.get(secret.journal) ?? assert.fail();
    const sources = this.#sources.get(secret.journal) ?? assert.fail();
    return this.#works({ server: this.#server, secret, door, sources }, held, at);
  }

  /** Every value that a consumer was seen to hold. */
  values({ secret }: OwnData): Iterable<string> {
    return this.#values.get(secret.id) ?? [];
  }

  /** Of the catalogue's secret, with paths and a table of its own. */
  async prepare(): Promise<OwnData> {
    const server = this.#server;
    const own = `crash-${++count}`;
    const declared = server.secret(this.#id);
    const [like] = declared.consumers;
    assert.ok(like);
    const stored = declared.stored.map((place) => ({ ...place, table: own.replace("-", "_") }));
    const as = Object.fromEntries(
      declared.fields.map((field) => [field.toUpperCase().replace("-", "_"), field]),
    );
    const secret: Secret = {
      ...declared,
      stored,
      source: `source/${own}/it`,
      journal: `rotation/${own}/it`,
      rotate: { ...declared.rotate, overlap: 0 },
      idle: { source: stored.length > 0 ? "audit" : "none" },
      consumers: this.#roles.map((role, index) => {
        const name = `${own}-${index}`;
        return { ...like, id: `crash/${name}`, name, role, as, path: `services/crash/${name}/it` };
      }),
    };
    const { address, token = "" } = server.rotator;
    const { ca } = server.services.vault;
    const door = await ValueServer.start();
    this.#doors.set(secret.journal, door);
    const data: OwnData = {
      vault: { address, token, ca },
      model: { ...server.model, secrets: [secret] },
      secret,
      ca: server.services.issuer.ca,
      ...(declared.rotate.by === "hand" && { given: made(declared), provider: door.address }),
    };
    const subject = {
      vault: server.rotator,
      model: data.model,
      secret,
      rotator: data.given ? byHand({ given: made(declared) }) : await rotatorOf(secret),
      reach: server.reach,
      sinks: () => [],
      probes: () => [],
    };
    const by = "keyplane.rotate";
    await rotate({ ...subject, ...quick, reason: "first", by, wait: true, report: () => {} });
    const first = await this.#read(secret.source);
    this.#firsts.set(secret.journal, first);
    // A provider accepts what a person has made until it is revoked there.
    if (data.given !== undefined) for (const fields of [first, data.given]) door.know(fields);
    if (stored.length > 0) {
      const sealing = new FernetKey((await this.#read(secret.source)).key ?? "");
      const tokens = plaintexts.map((text) => sealing.seal({ plaintext: Buffer.from(text), time: 1n }));
      await server.query(
        inSoma,
        `CREATE TABLE ${stored[0]?.table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ciphertext text)`,
      );
      await server.query(inSoma, `INSERT INTO ${stored[0]?.table} (ciphertext) SELECT unnest($1::text[])`, [
        tokens,
      ]);
    }
    return data;
  }

  /** What each consumer was given. */
  async held({ secret }: OwnData): Promise<Map<string, Fields>> {
    const all = new Map<string, Fields>();
    const seen = this.#values.get(secret.id) ?? new Set();
    this.#values.set(secret.id, seen);
    this.#sources.set(secret.journal, await this.#versions(secret.source));
    for (const { id, path } of secret.consumers) {
      const fields = await this.#read(path);
      all.set(id, fields);
      const pair = pairNames(secret);
      for (const name of pair === undefined ? Object.keys(fields) : [pair.now, pair.before])
        seen.add(fields[name] ?? "");
    }
    return all;
  }

  /** Ended: the new value is in force, or the old one again, alone. */
  async assertEnded(data: OwnData, rollsBack: boolean, at: string): Promise<void> {
    const all = await this.held(data);
    await this.works(data, all, at);
    const source = await this.#read(data.secret.source);
    const first = this.#firsts.get(data.secret.journal) ?? {};
    const isFirst = isDeepStrictEqual(source, first);
    assert.equal(isFirst, rollsBack, `${at}: what was in force before is in force`);
    const over = isFirst ? data.given : first;
    const { address } = this.#doors.get(data.secret.journal) ?? assert.fail();
    if (over !== undefined) assert.ok(!(await isLetIn(address, over)), `${at}: what is over is not let in`);
    await this.#assertAlone(data, all, at);
  }

  /** Every consumer holds the source's value and no other, and everything stored is under it. */
  async #assertAlone({ secret }: OwnData, all: Map<string, Fields>, at: string): Promise<void> {
    const source = await this.#read(secret.source);
    const pair = pairNames(secret);
    for (const [consumer, fields] of all) {
      for (const [name, value] of Object.entries(fields))
        assert.equal(value, source[name], `${at}: ${consumer} ${name}`);
      if (pair !== undefined)
        assert.equal(fields[pair.before], fields[pair.now], `${at}: ${consumer} dropped it`);
    }
    for (const place of secret.stored) {
      const key = new FernetKey(source.key ?? "");
      const rows = await this.#server.query<{ ciphertext: string }>(
        inSoma,
        `SELECT ciphertext FROM ${place.table}`,
      );
      assert.ok(
        rows.every(({ ciphertext }) => key.made(ciphertext)),
        `${at}: nothing is left under another key`,
      );
    }
  }

  async #versions(path: string): Promise<Fields[]> {
    const { root } = this.#server;
    const metadata = await root.read<{ versions: Record<string, { destroyed: boolean }> }>(
      `kv/metadata/${path}`,
    );
    const left = Object.entries(metadata?.versions ?? {}).filter(([, { destroyed }]) => !destroyed);
    const all = left.map(async ([version]) => await readFields(root, "kv", path, Number(version)));
    return (await Promise.all(all)).filter((fields) => fields !== undefined);
  }

  async #read(path: string): Promise<Fields> {
    const found = await this.#server.root.read<{ data: Fields }>(`kv/data/${path}`);
    assert.ok(found, path);
    return found.data;
  }
}

/** As a person makes one in a provider's dashboard. */
function made({ fields }: Secret): Fields {
  return Object.fromEntries(fields.map((name) => [name, randomBytes(24).toString("base64url")]));
}

/** Whoever signs is accepted by every listener. */
function signedBy(
  sign: (fields: Fields) => Promise<string> | string,
  accepts: (fields: Fields, signed: string) => Promise<boolean> | boolean,
): Works {
  return async ({ secret }, all, at) => {
    for (const signer of secret.consumers.filter(({ role }) => role !== "listener")) {
      const signed = await sign(all.get(signer.id) ?? {});
      for (const listener of secret.consumers.filter(({ role }) => role !== "signer")) {
        assert.ok(
          await accepts(all.get(listener.id) ?? {}, signed),
          `${at}: ${listener.id} accepts ${signer.id}`,
        );
      }
    }
  };
}

const mac = (key = "") => createHmac("sha256", key).update("m").digest("hex");
const everywhere: [SecretKind, string, Role[], Works][] = [
  [
    "hmac",
    "titan/hmac",
    ["listener", "signer"],
    signedBy(
      ({ primary }) => mac(primary),
      ({ primary, secondary }, signed) => [mac(primary), mac(secondary)].includes(signed),
    ),
  ],
  [
    "fernet",
    "soma/crypto-fernet",
    ["reader", "reader"],
    async ({ server, secret }, all, at) => {
      const rows = await server.query<{ ciphertext: string }>(
        inSoma,
        `SELECT ciphertext FROM ${secret.stored[0]?.table} ORDER BY id`,
      );
      for (const [id, { key = "", previous = "" }] of all) {
        const keys = [new FernetKey(key), new FernetKey(previous)];
        const opened = rows.map(({ ciphertext }) =>
          keys
            .map((one) => one.open(ciphertext))
            .find(Boolean)
            ?.plaintext.toString(),
        );
        assert.deepEqual(opened, plaintexts, `${at}: every row opens for ${id}`);
      }
    },
  ],
  [
    "token",
    "soma/auth-internal-token",
    ["listener", "signer"],
    signedBy(
      ({ token = "" }) => token,
      ({ token, previous }, shown) => [token, previous].includes(shown),
    ),
  ],
  [
    "jwt",
    "solo/secret-key",
    ["listener", "signer"],
    signedBy(
      ({ key = "", "key-id": kid = "" }) =>
        new SignJWT({}).setProtectedHeader({ alg: "HS256", kid }).sign(Buffer.from(key)),
      ({ jwks = "" }, signed) =>
        jwtVerify(signed, keyOf(jwks)).then(
          () => true,
          () => false,
        ),
    ),
  ],
  [
    "password",
    "soma/redis",
    ["listener", "reader"],
    async ({ door, sources }, all, at) => {
      // It is started with what it was given, and whoever looks the password up is let in.
      for (const [id, fields] of all) {
        assert.ok(fields.password, `${at}: ${id} holds one`);
        door.startWith(fields);
        const letIn = await Promise.all(sources.map((found) => isLetIn(door.address, found)));
        assert.ok(letIn.includes(true), `${at}: what lets in ${id} is in Vault`);
      }
    },
  ],
  [
    "api-key",
    "titan/binance",
    ["reader", "reader"],
    async ({ door }, all, at) => {
      for (const [id, fields] of all)
        assert.ok(await isLetIn(door.address, fields), `${at}: ${id} is let in`);
    },
  ],
];
