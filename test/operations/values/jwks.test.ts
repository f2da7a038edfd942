import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { type JSONWebKeySet, jwtVerify, SignJWT } from "jose";
import { generate } from "../../../operations/values/generate.ts";
import { algorithmOf, keyOf, keySet } from "../../../operations/values/jwks.ts";

const es256 = () => generate({ by: "machine", bytes: 32, encoding: "es256" });
const hs256 = () => generate({ by: "machine", bytes: 32, encoding: "base64url" });
const parse = (text: string) => JSON.parse(text) as JSONWebKeySet;

async function signed(key: string, kid: string): Promise<string> {
  const alg = algorithmOf(key);
  const secret = alg === "ES256" ? createPrivateKey(key) : Buffer.from(key);
  return new SignJWT({ sub: "ada" }).setProtectedHeader({ alg, kid }).sign(secret);
}

for (const [algorithm, make] of Object.entries({ ES256: es256, HS256: hs256 })) {
  test(`verifiers tell both ${algorithm} keys of the overlap apart by kid`, async () => {
    const [now, before] = [make(), make()];
    const set = keySet([
      { id: "now", key: now },
      { id: "before", key: before },
    ]);
    const verifier = keyOf(set);
    assert.equal((await jwtVerify(await signed(now, "now"), verifier)).payload.sub, "ada");
    assert.equal((await jwtVerify(await signed(before, "before"), verifier)).payload.sub, "ada");
    await assert.rejects(jwtVerify(await signed(before, "now"), verifier), {
      code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    });
    await assert.rejects(
      jwtVerify(await signed(make(), "other"), verifier),
      /no key with the id and the algorithm/,
    );
  });
}

test("an ES256 key's public half is no shared key of HS256", async () => {
  const set = keySet([{ id: "now", key: es256() }]);
  const [{ x = "" } = {}] = parse(set).keys;
  const forged = await new SignJWT({ sub: "mallory" })
    .setProtectedHeader({ alg: "HS256", kid: "now" })
    .sign(Buffer.from(x, "base64url"));
  await assert.rejects(jwtVerify(forged, keyOf(set)), /no key with the id and the algorithm/);
});

test("a set of ES256 keys holds public halves alone", () => {
  const [key] = parse(keySet([{ id: "now", key: es256() }])).keys;
  assert.deepEqual(Object.keys(key ?? {}).sort(), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
});

test("a key on another curve is refused, and the message does not hold it", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  assert.throws(() => keySet([{ id: "now", key }]), {
    message: "a JWT signing key in PEM must be a private key on P-256: ES256 takes no other",
  });
});
