import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import test from "node:test";
import { scramVerifier } from "../../../operations/database/scram.ts";

const hmac = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();

test("the verifier accepts the published exchange of RFC 7677", () => {
  const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
  const exchange = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=${salt},i=4096,c=biws,r=${nonce}`;
  const verifier = scramVerifier("pencil", Buffer.from(salt, "base64"));
  const [, storedKey = "", serverKey = ""] =
    /^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$(.+):(.+)$/.exec(verifier) ?? [];

  const proof = Buffer.from("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "base64");
  const signature = hmac(Buffer.from(storedKey, "base64"), exchange);
  const clientKey = Buffer.from(proof.map((byte, index) => byte ^ (signature[index] ?? 0)));
  assert.equal(createHash("sha256").update(clientKey).digest("base64"), storedKey);
  assert.equal(
    hmac(Buffer.from(serverKey, "base64"), exchange).toString("base64"),
    "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
  );
});

test("two verifiers of one password share nothing", () => {
  assert.notEqual(scramVerifier("pencil"), scramVerifier("pencil"));
});

test("refuses a password that would need SASLprep, without repeating it", () => {
  assert.throws(
    () => scramVerifier("pässword"),
    (error: Error) => /printable ASCII/.test(error.message) && !error.message.includes("pässword"),
  );
});
