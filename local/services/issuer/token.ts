import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose";
import { ServiceError } from "../errors.ts";
import { layout } from "../home.ts";
import { readIfThere, writePrivate } from "../private-file.ts";

/** Makes the issuer's signing key where there is none (RS256, as GitHub signs). Returns its public half. */
export async function ensureIssuerKey(home: string): Promise<JWK> {
  const path = layout(home).issuer.key;
  const stored = await readKey(home);
  if (stored !== undefined) return publicHalf(stored);
  const { privateKey } = await generateKeyPair("RS256", { modulusLength: 2048, extractable: true });
  const key = await exportJWK(privateKey);
  key.kid = await calculateJwkThumbprint(key);
  key.alg = "RS256";
  key.use = "sig";
  await writePrivate(path, `${JSON.stringify(key)}\n`);
  return publicHalf(key);
}

/**
 * Signs a token as the local stand-in for GitHub's issuer. The claims are taken as they are, right or wrong:
 * `gitHubClaims` makes right ones.
 * @throws ServiceError when the issuer has no key yet.
 */
export async function signGitHubToken(home: string, claims: JWTPayload): Promise<string> {
  const key = await readKey(home);
  if (key === undefined) {
    throw new ServiceError(`The issuer's key ${layout(home).issuer.key} is missing. Run \`keyplane up\`.`);
  }
  const header = { alg: "RS256", typ: "JWT", ...(key.kid !== undefined && { kid: key.kid }) };
  return new SignJWT(claims).setProtectedHeader(header).sign(await importJWK(key, "RS256"));
}

async function readKey(home: string): Promise<JWK | undefined> {
  const path = layout(home).issuer.key;
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as JWK;
  } catch {
    // The parser's own error would quote the key.
    throw new ServiceError(`${path} is not a key. Remove it: the next \`keyplane up\` makes a new one.`);
  }
}

function publicHalf({ kty, n, e, kid, alg, use }: JWK): JWK {
  return Object.fromEntries(
    Object.entries({ kty, n, e, kid, alg, use }).filter(([, value]) => value !== undefined),
  );
}
