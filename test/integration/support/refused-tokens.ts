import type { GitHubJob } from "./github-job.ts";
import { type Claims, part, type TokenForge } from "./token-forge.ts";

/** A token that must not get in for its audience, issuer, time or signature, although its bound claims are right. */
export interface RefusedToken {
  name: string;
  token: (right: Claims, forge: TokenForge, job: GitHubJob) => string | Promise<string>;
  because: RegExp;
}

function claims(
  name: string,
  change: (right: Claims, job: GitHubJob) => Claims,
  because: RegExp,
): RefusedToken {
  return { name, token: (right, forge, job) => forge.sign(change(right, job)), because };
}

const audience = /audience|aud/;
const audiences: RefusedToken[] = [
  claims(
    "another organization's audience",
    (right) => ({ ...right, aud: "https://github.com/mallory" }),
    audience,
  ),
  claims("the audience with a slash after it", (right) => ({ ...right, aud: `${right.aud}/` }), audience),
  claims("the audience with a letter after it", (right) => ({ ...right, aud: `${right.aud}x` }), audience),
  claims(
    "a prefix of the audience",
    (right) => ({ ...right, aud: String(right.aud).slice(0, -1) }),
    audience,
  ),
  claims(
    "the audience in capitals",
    (right) => ({ ...right, aud: String(right.aud).toUpperCase() }),
    audience,
  ),
  claims(
    "the audience over http",
    (right) => ({ ...right, aud: String(right.aud).replace("https:", "http:") }),
    audience,
  ),
  claims("a wildcard as audience", (right) => ({ ...right, aud: "*" }), audience),
  claims("the audience of AWS", (right) => ({ ...right, aud: "sts.amazonaws.com" }), audience),
  claims("the audience of Sigstore", (right) => ({ ...right, aud: "sigstore" }), audience),
  claims("the audience with a space after it", (right) => ({ ...right, aud: `${right.aud} ` }), audience),
  claims("no audience", ({ aud: _, ...rest }) => rest, audience),
  claims("an empty audience", (right) => ({ ...right, aud: "" }), audience),
  claims("an empty list of audiences", (right) => ({ ...right, aud: [] }), audience),
  claims(
    "a list of other audiences",
    (right) => ({ ...right, aud: ["sts.amazonaws.com", "https://github.com/mallory"] }),
    audience,
  ),
  claims(
    "a list of audiences that holds the right one too",
    (right) => ({ ...right, aud: ["sts.amazonaws.com", right.aud] }),
    /converting claim 'aud' to string/,
  ),
  claims("an audience that is a number", (right) => ({ ...right, aud: 1 }), /unmarshal to Audience/),
  claims(
    "an audience that is an object",
    (right) => ({ ...right, aud: { value: right.aud } }),
    /unmarshal to Audience/,
  ),
];

const issuer = /issuer|iss/;
const issuers: RefusedToken[] = [
  claims(
    "another issuer with the same claims",
    (right) => ({ ...right, iss: "https://github.acme.example/_services/token" }),
    issuer,
  ),
  claims(
    "GitHub's public issuer, which is not this environment's",
    (right) => ({ ...right, iss: "https://token.actions.githubusercontent.com" }),
    issuer,
  ),
  claims("the issuer with a slash after it", (right) => ({ ...right, iss: `${right.iss}/` }), issuer),
  claims(
    "the issuer over http",
    (right) => ({ ...right, iss: String(right.iss).replace("https:", "http:") }),
    issuer,
  ),
  claims("the issuer with a path after it", (right) => ({ ...right, iss: `${right.iss}/acme` }), issuer),
  claims("the issuer in capitals", (right) => ({ ...right, iss: String(right.iss).toUpperCase() }), issuer),
  claims("no issuer", ({ iss: _, ...rest }) => rest, issuer),
  claims("an issuer that is a list", (right) => ({ ...right, iss: [right.iss] }), issuer),
];

const hour = 3600;
const at = (right: Claims) => Number(right.iat);
const shifted = (right: Claims, by: number): Claims => ({
  ...right,
  iat: at(right) + by,
  nbf: at(right) + by,
  exp: at(right) + by + 300,
});
const expired = /expired|exp/;
const early = /not.*(valid|yet)|nbf|issued/i;
const times: RefusedToken[] = [
  claims("a token that expired five minutes ago", (right) => shifted(right, -600), expired),
  claims("a token that expired an hour ago", (right) => shifted(right, -hour - 300), expired),
  claims("a token of last year", (right) => shifted(right, -365 * 24 * hour), expired),
  claims(
    "a token whose expiry lies before its issue",
    (right) => ({ ...right, exp: at(right) - hour }),
    expired,
  ),
  claims("a token that expired in 1970", (right) => ({ ...right, exp: 1 }), expired),
  claims("a negative expiry", (right) => ({ ...right, exp: -1 }), expired),
  claims(
    "an expiry that is text",
    (right) => ({ ...right, exp: String(right.exp) }),
    /exp|number|unmarshal|json/i,
  ),
  claims(
    "an expiry that is a list",
    (right) => ({ ...right, exp: [right.exp] }),
    /exp|number|unmarshal|json/i,
  ),
  claims("a token that expired half a minute ago", (right) => shifted(right, -330), expired),
  claims(
    "no expiry, and issued half a minute ago",
    ({ exp: _, ...right }) => ({ ...right, iat: at(right) - 30, nbf: at(right) - 30 }),
    expired,
  ),
  claims(
    "no expiry, and issued ten minutes ago",
    ({ exp: _, ...right }) => ({ ...right, iat: at(right) - 600, nbf: at(right) - 600 }),
    expired,
  ),
  claims(
    "not valid before five minutes from now",
    (right) => ({ ...right, nbf: at(right) + 300, exp: at(right) + 600 }),
    early,
  ),
  claims("not valid before half a minute from now", (right) => ({ ...right, nbf: at(right) + 30 }), early),
  claims("issued half a minute from now", (right) => shifted(right, 30), early),
  claims("issued five minutes from now", (right) => shifted(right, 300), early),
  claims("issued in the far future", (right) => shifted(right, 10 * 365 * 24 * hour), early),
  claims(
    "issued in the future, valid before now",
    (right) => ({ ...right, iat: at(right) + hour, exp: at(right) + 2 * hour }),
    early,
  ),
  claims("no exp, no iat and no nbf", ({ exp: _e, iat: _i, nbf: _n, ...rest }) => rest, /iat|nbf|exp/),
  claims("exp, iat and nbf of zero", (right) => ({ ...right, exp: 0, iat: 0, nbf: 0 }), /iat|nbf|exp/),
];

const signature = /signature|signed|verif|no known key/i;
const algorithm = /algorithm|signature|signed|verif|unsupported/i;
const shape = /compact|parse|malformed|invalid|JWS|base64|token|illegal/i;

const keys: RefusedToken[] = [
  {
    name: "another key under the issuer's key id",
    token: (right, forge) => forge.forge(right),
    because: signature,
  },
  {
    name: "another key under an id of its own",
    token: (right, forge) => forge.forge(right, { kid: "attacker" }),
    because: signature,
  },
  {
    name: "another key without a key id",
    token: (right, forge) => forge.forge(right, { kid: undefined }),
    because: signature,
  },
  {
    name: "the issuer's key under an unknown id",
    token: (right, forge) => forge.sign(right, { kid: "unknown" }),
    because: signature,
  },
  {
    name: "a key id that is a path",
    token: (right, forge) => forge.forge(right, { kid: "../../../dev/null" }),
    because: signature,
  },
  {
    name: "another key, given along as jku",
    token: (right, forge) => forge.forge(right, { jku: "https://127.0.0.1:1/jwks" }),
    because: signature,
  },
  {
    name: "another key, given along as x5u",
    token: (right, forge) => forge.forge(right, { x5u: "https://127.0.0.1:1/x5u" }),
    because: signature,
  },
  {
    name: "another key, given along as jwk",
    token: (right, forge) => forge.forgeWithOwnKey(right),
    because: signature,
  },
  {
    name: "the public key's PEM as HMAC secret (HS256)",
    token: (right, forge) => forge.confuse(right, forge.publicKey.pem),
    because: algorithm,
  },
  {
    name: "the public key's JWK as HMAC secret (HS256)",
    token: (right, forge) => forge.confuse(right, forge.publicKey.jwk),
    because: algorithm,
  },
  {
    name: "the public key's modulus as HMAC secret (HS256)",
    token: (right, forge) => forge.confuse(right, forge.publicKey.modulus),
    because: algorithm,
  },
  {
    name: "the issuer's key with PS256, which it does not announce",
    token: (right, forge) => forge.sign(right, { alg: "PS256" }),
    because: algorithm,
  },
  {
    name: "the issuer's key with RS512, which it does not announce",
    token: (right, forge) => forge.sign(right, { alg: "RS512" }),
    because: algorithm,
  },
  ...["none", "None", "NONE", "nOnE", ""].map((alg) => ({
    name: `alg: ${JSON.stringify(alg)} and no signature`,
    token: (right: Claims, forge: TokenForge) => forge.unsigned(right, alg),
    because: /algorithm|signature|signed|verif|unsupported|malformed|parse/i,
  })),
  {
    name: "alg: none with a signature",
    token: (right, forge) => forge.unsigned(right, "none", "AAAA"),
    because: algorithm,
  },
  {
    name: "alg: RS256 and no signature",
    token: (right, forge) => forge.unsigned(right, "RS256"),
    because: signature,
  },
  {
    name: "a critical header that nobody knows",
    token: async (right, forge) =>
      (await forge.sign(right)).replace(/^[^.]+/, part({ alg: "RS256", kid: forge.kid, crit: ["x"], x: 1 })),
    because: /signature|verif|crit|parse/i,
  },
];

async function parts(token: string | Promise<string>): Promise<[string, string, string]> {
  const [header = "", payload = "", end = ""] = (await token).split(".");
  return [header, payload, end];
}

const shapes: RefusedToken[] = [
  {
    name: "a payload changed after it was signed",
    token: async (right, forge) => {
      const [header, , end] = await parts(forge.sign({ ...right, repository_id: "1" }));
      return `${header}.${part(right)}.${end}`;
    },
    because: signature,
  },
  {
    name: "one changed letter in the signature",
    token: async (right, forge) => {
      const [header, payload, end] = await parts(forge.sign(right));
      return `${header}.${payload}.${end.startsWith("A") ? "B" : "A"}${end.slice(1)}`;
    },
    because: signature,
  },
  {
    name: "another token's signature",
    token: async (right, forge) => {
      const [header, payload] = await parts(forge.sign(right));
      const [, , end] = await parts(forge.sign({ ...right, run_id: "1" }));
      return `${header}.${payload}.${end}`;
    },
    because: signature,
  },
  {
    name: "a signature cut short",
    token: async (right, forge) => (await forge.sign(right)).slice(0, -40),
    because: signature,
  },
  {
    name: "no third part",
    token: async (right, forge) => (await parts(forge.sign(right))).slice(0, 2).join("."),
    because: shape,
  },
  { name: "a fourth part", token: async (right, forge) => `${await forge.sign(right)}.e30`, because: shape },
  {
    name: "five parts, as if it were encrypted",
    token: async (right, forge) => `${await forge.sign(right)}.e30.e30`,
    because: shape,
  },
  {
    name: "a JSON document with a second signature, of another key",
    token: async (right, forge) => {
      const [header, payload, end] = await parts(forge.sign(right));
      const [other, , theirs] = await parts(forge.forge(right));
      const signatures = [
        { protected: other, signature: theirs },
        { protected: header, signature: end },
      ];
      return JSON.stringify({ payload, signatures });
    },
    because: signature,
  },
  {
    name: "a JSON document whose unprotected header says alg: none",
    token: (right) => JSON.stringify({ header: { alg: "none" }, payload: part(right), signature: "" }),
    because: algorithm,
  },
  { name: "a payload that is no JSON", token: (_, forge) => forge.signText("repository_id"), because: shape },
  {
    name: "a payload that is a list",
    token: (right, forge) => forge.signText(JSON.stringify([right])),
    because: shape,
  },
  { name: "an empty token", token: () => "", because: /missing token/ },
  { name: "a token that is only dots", token: () => "..", because: shape },
  { name: "a megabyte instead of a token", token: () => "A".repeat(1 << 20), because: shape },
];

/** Tokens with right bound claims that must not get in. */
export const refusedTokens: RefusedToken[] = [...audiences, ...issuers, ...times, ...keys, ...shapes];
