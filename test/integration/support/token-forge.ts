import { createPublicKey, type JsonWebKey as NodeJwk } from "node:crypto";
import { readFile } from "node:fs/promises";
import { CompactSign, type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { layout } from "../../../local/services/home.ts";

/** Claims as an attacker may write them: any JSON. */
export type Claims = Record<string, unknown>;

/** Header fields that replace the right ones; `undefined` leaves one out. */
export type Header = Record<string, unknown>;

/** Makes right and wrong tokens: it holds the local issuer's signing key and an attacker's own. */
export class TokenForge {
  /** The issuer's key id. */
  readonly kid: string;
  readonly #key: JWK;
  readonly #attackers: { privateKey: CryptoKey; publicKey: CryptoKey };

  private constructor(key: JWK, attackers: { privateKey: CryptoKey; publicKey: CryptoKey }) {
    this.#key = key;
    this.kid = key.kid ?? "";
    this.#attackers = attackers;
  }

  /** @param keyFile The issuer's private JWK. */
  static async open(keyFile: string): Promise<TokenForge> {
    const attackers = await generateKeyPair("RS256", { modulusLength: 2048, extractable: true });
    return new TokenForge(JSON.parse(await readFile(keyFile, "utf8")) as JWK, attackers);
  }

  static async ofStack(home: string): Promise<TokenForge> {
    return TokenForge.open(layout(home).issuer.key);
  }

  /** Signs as GitHub would; `header` replaces fields of the right header. */
  async sign(claims: Claims, header: Header = {}): Promise<string> {
    const alg = typeof header.alg === "string" ? header.alg : "RS256";
    return compact(
      JSON.stringify(claims),
      { ...this.#header(header), alg },
      await importJWK(withoutUse(this.#key), alg),
    );
  }

  /** Signs a payload that need not be JSON. */
  async signText(payload: string): Promise<string> {
    return compact(payload, this.#header(), await importJWK(this.#key, "RS256"));
  }

  /** Signs with the attacker's own key. */
  async forge(claims: Claims, header: Header = {}): Promise<string> {
    return compact(JSON.stringify(claims), this.#header(header), this.#attackers.privateKey);
  }

  /** Signs with the attacker's own key and sends its public half along in the header. */
  async forgeWithOwnKey(claims: Claims): Promise<string> {
    return this.forge(claims, { jwk: await exportJWK(this.#attackers.publicKey) });
  }

  /** Signs by HMAC with public text as the key: the algorithm confusion attack. */
  async confuse(claims: Claims, secret: string): Promise<string> {
    return compact(JSON.stringify(claims), this.#header({ alg: "HS256" }), new TextEncoder().encode(secret));
  }

  /** An unsigned token with this algorithm name in its header. */
  unsigned(claims: Claims, alg: string, signature = ""): string {
    return `${part(this.#header({ alg }))}.${part(claims)}.${signature}`;
  }

  #header(changes: Header = {}): Header {
    return { alg: "RS256", typ: "JWT", kid: this.kid, ...changes };
  }

  /** What everybody can have of the issuer's key. */
  get publicKey(): { pem: string; jwk: string; modulus: string } {
    const { kty, n, e } = this.#key;
    const jwk = { kty, n, e } as NodeJwk;
    const pem = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" });
    return { pem: String(pem), jwk: JSON.stringify(jwk), modulus: String(n) };
  }
}

/** Base64url of JSON. */
export function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A key that names its algorithm signs with no other. */
function withoutUse({ alg: _, use: __, ...key }: JWK): JWK {
  return key;
}

async function compact(
  payload: string,
  header: Header,
  key: Parameters<CompactSign["sign"]>[0],
): Promise<string> {
  return new CompactSign(new TextEncoder().encode(payload))
    .setProtectedHeader({ alg: "RS256", ...header })
    .sign(key);
}
