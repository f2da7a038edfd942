import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import type { Secret } from "../../../model/model.ts";
import { checkValues, ValueError } from "../../../operations/values/check.ts";
import { seeded } from "../../integration/support/seeded.ts";

const hand = { by: "hand" } as const;
const hex = { by: "machine", bytes: 32, encoding: "hex" } as const;
const es256 = { by: "machine", bytes: 32, encoding: "es256" } as const;
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const strong = randomBytes(24).toString("base64url");
const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();

function secret(
  kind: Secret["kind"],
  generator: Secret["generator"] = hand,
): Pick<Secret, "id" | "kind" | "generator"> {
  return { id: "titan/some", kind, generator };
}

const accepted: [string, Secret["kind"], string, string, Secret["generator"]?][] = [
  ["a provider's key", "api-key", "key", strong],
  ["a provider's private key in PEM", "api-key", "secret", pem],
  ["a key id as UUID", "api-key", "key", "f47ac10b-58cc-4372-a567-0e02b2c3d479"],
  ["a wallet's address", "api-key", "address", "0x52908400098527886E0F7030069857D2E4169EE7"],
  ["a user's short name", "s3", "user", "admin"],
  ["64 hexadecimal digits", "hmac", "primary", randomBytes(32).toString("hex"), hex],
  ["a Fernet key", "fernet", "key", `${"A".repeat(42)}_=`],
  ["a webhook", "webhook", "url", "https://hooks.example/services/T0/B0/abcdef"],
  ["a file of any text", "file", "content", '{"type": "service_account"}\n'],
  ["a signing key on P-256", "jwt", "key", p256.export({ type: "pkcs8", format: "pem" }).toString(), es256],
  ["a private key of a certificate", "certificate", "key", pem],
];

for (const [what, kind, field, value, generator] of accepted) {
  test(`accepts ${what} (R65)`, () => {
    checkValues(secret(kind, generator), { [field]: value });
  });
}

test("accepts every key of 18 random letters and digits, as exchanges make them (R65)", () => {
  const random = seeded(18);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  for (let round = 0; round < 5_000; round++) {
    const key = Array.from({ length: 18 }, () => letters[Math.floor(random() * letters.length)]).join("");
    checkValues(secret("api-key"), { key });
  }
});

const refused: [string, RegExp, Secret["kind"], string, string, Secret["generator"]?][] = [
  ["a signing key on another curve", /private key on P-256/, "jwt", "key", pem, es256],
  ["a shared key where ES256 signs", /private key on P-256/, "jwt", "key", strong, es256],
  ["nothing", /is empty/, "api-key", "key", ""],
  ["a short password", /too weak/, "password", "password", "hunter2"],
  ["a password as people make them", /too weak/, "password", "password", "Password12345!"],
  ["a long word of one letter", /too weak/, "token", "token", "a".repeat(60)],
  ["a placeholder", /placeholder/, "api-key", "key", "changeme"],
  ["a placeholder in angle brackets", /placeholder/, "api-key", "key", "<your-binance-api-key-here>"],
  ["a blank at the end", /begins or ends/, "api-key", "key", `${strong} `],
  ["a line break inside", /control character/, "api-key", "key", `${strong}\n${strong}`],
  ["a NUL byte", /NUL/, "file", "content", "a\0b"],
  ["broken UTF-8", /UTF-8/, "file", "content", "a\uFFFDb"],
  ["more than 64 KiB", /64 KiB/, "file", "content", "x".repeat(65 * 1024)],
  ["an HMAC key that is not hexadecimal", /64 hexadecimal/, "hmac", "primary", `${strong}${strong}`, hex],
  ["an HMAC key of 31 bytes", /64 hexadecimal/, "hmac", "primary", randomBytes(31).toString("hex"), hex],
  ["a Fernet key without padding", /Fernet/, "fernet", "key", "A".repeat(43)],
  ["a Fernet key in plain base64", /Fernet/, "fernet", "key", `${"A".repeat(41)}+/=`],
  ["a webhook over http", /https/, "webhook", "url", "http://hooks.example/services/abc"],
  ["a webhook with a password", /user or password/, "webhook", "url", "https://a:b@hooks.example/"],
  ["a webhook that is no URL", /URL/, "webhook", "url", strong],
  ["a user with a blank", /visible ASCII/, "s3", "user", "ad min"],
  ["half a private key", /private key in PEM/, "api-key", "secret", pem.slice(0, 60)],
  [
    "a certificate that is none",
    /certificate in PEM/,
    "certificate",
    "certificate",
    "-----BEGIN CERTIFICATE-----",
  ],
];

for (const [what, message, kind, field, value, generator] of refused) {
  test(`refuses ${what} (R65)`, () => {
    assert.throws(
      () => checkValues(secret(kind, generator), { [field]: value }),
      (error) => {
        assert.ok(error instanceof ValueError);
        assert.match(error.message, message);
        assert.match(error.message, /^titan\/some, field /);
        return true;
      },
    );
  });
}

test("an error never holds the value or a part of it (R54)", () => {
  const kinds = ["api-key", "hmac", "fernet", "webhook", "certificate", "s3"] as const;
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.string({ minLength: 5, maxLength: 40, unit: "grapheme-ascii" }),
      (kind, value) => {
        const odd = `§${value}§`;
        try {
          checkValues(secret(kind, kind === "hmac" ? hex : hand), { key: odd });
        } catch (error) {
          assert.ok(error instanceof ValueError);
          assert.ok(!error.message.includes("§"), error.message);
        }
      },
    ),
    { numRuns: 500 },
  );
});
