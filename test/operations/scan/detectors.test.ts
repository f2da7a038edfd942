import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { scanContent } from "../../../operations/scan/content.ts";
import { detectors } from "../../../operations/scan/detectors/index.ts";
import { syntaxOf } from "../../../operations/scan/syntax.ts";
import { barePlaces, namedPlaces, written } from "./corpus/places.ts";
import { Random } from "./corpus/random.ts";
import { families, keys } from "./corpus/secrets.ts";
import { codes } from "./plant.ts";

suite("every public format is found by its form alone (R55)", () => {
  for (const family of families.filter(({ formed }) => formed)) {
    test(family.name, () => {
      const random = new Random(7);
      for (const { file, forms } of barePlaces) {
        for (const form of forms) {
          const value = family.make(random);
          const text = `first line\n${written(form, "", value)}\nlast line\n`;
          const { detections } = scanContent(Buffer.from(text), { syntax: syntaxOf(file) });
          assert.deepEqual(
            detections.map(({ line }) => line),
            [2],
            `${file}: ${form}`,
          );
        }
      }
    });
  }
});

suite("a value is found beside a secret's name in every kind of file (R42, R55)", () => {
  for (const { file, forms } of namedPlaces) {
    test(file, () => {
      const random = new Random(11);
      for (const form of forms) {
        for (const family of families.filter(({ formed }) => !formed)) {
          const name = random.pick(family.names);
          const text = `first line\n${written(form, name, family.make(random))}\n`;
          const { detections } = scanContent(Buffer.from(text), { syntax: syntaxOf(file) });
          assert.equal(detections.length, 1, `${family.name} as ${name}: ${form}`);
        }
      }
    });
  }
});

test("a private key is found by its first line, also as one line of JSON", () => {
  for (const { make } of keys) {
    const key = make(new Random(3));
    assert.deepEqual(codes(key.join("\n")), ["private-key"]);
    assert.deepEqual(codes(JSON.stringify({ key: key.join("\n") })), ["private-key"]);
    assert.deepEqual(codes(key.map((line) => `    "${line}\\n" +`).join("\n")), ["private-key"]);
  }
});

test("Vault's unseal and recovery keys are found as `vault operator init` prints them", () => {
  const random = new Random(9);
  const share = () => random.bytes(33).toString("base64");
  for (const text of [
    `Unseal Key 1: ${share()}`,
    `Recovery Key 3: ${share()}`,
    `  "unseal_keys_b64": [\n    "${share()}"\n  ],`,
    `"unseal_keys_hex": ["${random.bytes(33).toString("hex")}"]`,
    `VAULT_UNSEAL_KEY=${random.bytes(32).toString("base64")}`,
  ]) {
    assert.deepEqual(codes(text), ["vault-unseal-key"], text.slice(0, 20));
  }
  for (const text of ["Unseal Key (will be hidden):", "unseal keys: 5", "unseal_key: $VAULT_UNSEAL_KEY"])
    assert.deepEqual(codes(text), [], text);
});

test("where two find the same characters, the one with the form names them", () => {
  const token = ["gh", "p_", new Random(5).text("abcdefghijkABCDEFGHIJK0123456789", 36)].join("");
  assert.deepEqual(codes(`GITHUB_TOKEN=${token}`), ["github-token"]);
  assert.deepEqual(codes(`url: https://user:${token}@github.com/acme/app`), ["github-token"]);
});

test("a token behind a terminal's colour, an escaped line break or a percent sign is found", () => {
  const token = ["gh", "p_", new Random(6).text("abcdefghijkABCDEFGHIJK0123456789", 36)].join("");
  for (const before of ["\u001b[33m", "\\n", "token%3D", "(", "=", "\u0000"]) {
    assert.deepEqual(codes(`x${before}${token}`), ["github-token"], JSON.stringify(before));
  }
});

test("what goes on after a token's length is another thing", () => {
  const token = ["AK", "IA", new Random(6).text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)].join("");
  assert.deepEqual(codes(`id ${token}.`), ["aws-access-key"]);
  assert.deepEqual(codes(`id ${token}QQQQ`), []);
  assert.deepEqual(codes(`id X${token}`), []);
});

test("every kind has an id of its own, a sentence and a way to revoke it", () => {
  const byId = Map.groupBy(detectors, ({ kind }) => kind.id);
  for (const [id, same] of byId) assert.equal(same.length, 1, id);
  for (const { kind } of detectors) {
    assert.match(kind.id, /^[a-z0-9-]+$/);
    assert.match(kind.what, /^(?:an?|the) \S+/);
    assert.match(kind.revoke, /^[a-z]+ \S+/);
  }
});

suite("no secret is seen in", () => {
  const cases: Record<string, string> = {
    "a variable": "password=$DB_PASSWORD",
    "a variable's default that is empty": `PASSWORD=\${DB_PASSWORD:-}`,
    "an expression": `token: \${{ secrets.DEPLOY_TOKEN }}`,
    "a file": "DB_PASSWORD_FILE=/run/secrets/db_password",
    "a mask": "password=[REDACTED] token=**** secret=<redacted>",
    "a name about the secret": 'token_url = "https://auth.example/oauth2/v1/token8472"',
    "an id of a key": 'TITAN_HMAC_KEY_ID="k-20260301-7f3a9c"',
    "a sentence": '"password": "At least 12 characters, 1 digit"',
    "a reference to Vault": "password: vault:kv/services/titan/db#password",
    "a published example": ["AKIAIOSFODNN7", "EXAMPLE"].join(""),
  };
  for (const [title, text] of Object.entries(cases)) {
    test(title, () => assert.deepEqual(codes(text), []));
  }
});
