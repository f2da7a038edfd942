import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { jwtVerify, SignJWT } from "jose";
import type { Secret, SecretKind } from "../../../model/model.ts";
import { rotate } from "../../../operations/rotation/engine.ts";
import { FernetKey } from "../../../operations/rotation/re-encryption/fernet.ts";
import { byHand } from "../../../operations/rotation/rotators/by-hand.ts";
import { rotatorOf } from "../../../operations/rotation/rotators/index.ts";
import { keyOf } from "../../../operations/values/jwks.ts";
import { type Fields, pairNames } from "../../../operations/values/shape.ts";
import { killEverywhere } from "./crash.ts";
import type { OwnData } from "./own-scenario.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";
import { quick } from "./quick.ts";
import { inSoma } from "./re-encryption/api-keys.ts";

let server: DatabaseServer;
const ends: (() => Promise<void>)[] = [];
before(async () => {
  server = await startDatabaseServer({ after: (end) => ends.push(end) });
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

/** Named by the first consumer: what it signs, encrypts or shows, and what every other one accepts of it. */
type Works = (secret: Secret, held: Map<string, Fields>, at: string) => Promise<void>;

const plaintexts = Array.from({ length: 25 }, (_, index) => `sk-live-${index}`);
let count = 0;
const values = new Map<string, Set<string>>();

/** Of the catalogue's secret, with paths and a table of its own. */
async function prepare(id: string, roles: Secret["consumers"][number]["role"][]): Promise<OwnData> {
  const own = `crash-${++count}`;
  const declared = server.secret(id);
  const [first] = declared.consumers;
  assert.ok(first);
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
    consumers: roles.map((role, index) => {
      const name = `${own}-${index}`;
      return { ...first, id: `crash/${name}`, name, role, as, path: `services/crash/${name}/it` };
    }),
  };
  const { address, token = "" } = server.rotator;
  const { ca } = server.services.vault;
  const data: OwnData = {
    vault: { address, token, ca },
    model: { ...server.model, secrets: [secret] },
    secret,
    ca: server.services.issuer.ca,
    ...(declared.rotate.by === "hand" && { given: made(declared) }),
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
  if (stored.length > 0) {
    const sealing = new FernetKey((await read(secret.source)).key ?? "");
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

/** As a person makes one in a provider's dashboard. */
function made({ fields }: Secret): Fields {
  return Object.fromEntries(fields.map((name) => [name, randomBytes(24).toString("base64url")]));
}

async function read(path: string): Promise<Fields> {
  const found = await server.root.read<{ data: Fields }>(`kv/data/${path}`);
  assert.ok(found, path);
  return found.data;
}

async function held({ secret }: OwnData): Promise<Map<string, Fields>> {
  const all = new Map<string, Fields>();
  const seen = values.get(secret.id) ?? new Set();
  values.set(secret.id, seen);
  for (const { id, path } of secret.consumers) {
    const fields = await read(path);
    all.set(id, fields);
    const pair = pairNames(secret);
    for (const name of pair === undefined ? Object.keys(fields) : [pair.now, pair.before])
      seen.add(fields[name] ?? "");
  }
  return all;
}

/** Whoever signs is accepted by every listener. */
function signedBy(
  sign: (fields: Fields) => Promise<string> | string,
  accepts: (fields: Fields, signed: string) => Promise<boolean> | boolean,
): Works {
  return async (secret, all, at) => {
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
const everywhere: [SecretKind, string, Secret["consumers"][number]["role"][], Works][] = [
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
    async (secret, all, at) => {
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
  ["password", "titan/grafana-admin", ["reader"], async () => {}],
  ["api-key", "titan/binance", ["reader", "reader"], async () => {}],
];
/** In `npm test` the one with the most to lose; crash.test.ts has the engine's own. */
const kinds = everywhere.filter(([kind]) => kind === "fernet" || process.env.KEYPLANE_SCALE === "prove");

for (const [kind, id, roles, works] of kinds) {
  test(`${kind}: killed before and after every call, another runner ends it; what is in force works at every moment`, async (t) => {
    const { calls, killed } = await killEverywhere<OwnData>(t, {
      scenario: import.meta.resolve("./own-scenario.ts"),
      prepare: () => prepare(id, roles),
      async held(data, at) {
        await works(data.secret, await held(data), at);
      },
      async converged(data, { state }, at) {
        assert.equal(state, "done", at);
        const all = await held(data);
        await works(data.secret, all, at);
        const source = await read(data.secret.source);
        const pair = pairNames(data.secret);
        for (const [consumer, fields] of all) {
          for (const [name, value] of Object.entries(fields))
            assert.equal(value, source[name], `${at}: ${consumer} ${name}`);
          if (pair !== undefined)
            assert.equal(fields[pair.before], fields[pair.now], `${at}: ${consumer} dropped it`);
        }
        for (const { path } of [{ path: data.secret.source }, ...data.secret.consumers]) {
          const metadata = await server.root.read<{ versions: Record<string, { destroyed: boolean }> }>(
            `kv/metadata/${path}`,
          );
          const left = Object.values(metadata?.versions ?? {}).filter(({ destroyed }) => !destroyed);
          assert.equal(left.length, 1, `${at}: ${path} keeps one version`);
        }
        for (const place of data.secret.stored) {
          const key = new FernetKey(source.key ?? "");
          const rows = await server.query<{ ciphertext: string }>(
            inSoma,
            `SELECT ciphertext FROM ${place.table}`,
          );
          assert.ok(
            rows.every(({ ciphertext }) => key.made(ciphertext)),
            `${at}: nothing is left under an old key`,
          );
        }
      },
      values: ({ secret }) => values.get(secret.id) ?? [],
    });
    assert.ok(killed >= 8, `${killed} killed of ${calls} calls`);
  });
}
