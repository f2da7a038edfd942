import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { generate, keyId } from "../../../operations/values/generate.ts";

test("makes 32 random bytes as 64 hexadecimal digits (R65)", () => {
  assert.match(generate({ by: "machine", bytes: 32, encoding: "hex" }), /^[0-9a-f]{64}$/);
});

test("makes 32 random bytes as base64 with its padding (R65)", () => {
  assert.match(generate({ by: "machine", bytes: 32, encoding: "base64" }), /^[A-Za-z0-9+/]{43}=$/);
});

test("makes URL-safe tokens without padding (R65)", () => {
  assert.match(generate({ by: "machine", bytes: 32, encoding: "base64url" }), /^[A-Za-z0-9_-]{43}$/);
});

test("makes Fernet keys as their specification says: 32 bytes, URL-safe, padded (R65)", () => {
  for (let i = 0; i < 200; i++) {
    assert.match(generate({ by: "machine", bytes: 48, encoding: "fernet" }), /^[A-Za-z0-9_-]{43}=$/);
  }
});

test("makes ES256 keys as private keys on P-256 in PEM", () => {
  const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(
    generate({ by: "machine", bytes: 32, encoding: "es256" }),
  );
  assert.deepEqual([asymmetricKeyType, asymmetricKeyDetails?.namedCurve], ["ec", "prime256v1"]);
});

test("holds as many random bytes as the catalogue asks for, in every encoding", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 32, max: 512 }),
      fc.constantFrom("hex" as const, "base64" as const, "base64url" as const),
      (bytes, encoding) => {
        const value = generate({ by: "machine", bytes, encoding });
        assert.equal(Buffer.from(value, encoding).length, bytes);
      },
    ),
  );
});

test("never makes a value twice", () => {
  const values = Array.from({ length: 2000 }, () => generate({ by: "machine", bytes: 32, encoding: "hex" }));
  assert.equal(new Set(values).size, 2000);
});

test("names a key by the day and at random, not by its value", () => {
  assert.match(keyId(new Date("2026-11-22T23:59:59Z")), /^2026-11-22-[0-9a-f]{8}$/);
  assert.notEqual(keyId(new Date(0)), keyId(new Date(0)));
});
