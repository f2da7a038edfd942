import type { GitHubJob } from "./github-job.ts";
import type { Claims } from "./token-forge.ts";

/** A wrongly claimed token: signed by the issuer itself, and right but for one thing. */
export interface RefusedClaims {
  name: string;
  /** Changes right claims. */
  claims: (right: Claims, job: GitHubJob) => Claims;
  /** What Vault must say, so that no variant is refused for another reason than its own. */
  because: RegExp;
}

/** The claims that every role binds. */
export const bound = [
  "repository_id",
  "repository_owner_id",
  "environment",
  "ref",
  "job_workflow_ref",
  "event_name",
] as const;
type Bound = (typeof bound)[number];

export const missing = (claim: string) => new RegExp(`claim "${claim}" is missing`);
export const unmatched = (...claims: Bound[]) =>
  new RegExp(`claim "(${claims.join("|")})" does not match any associated bound claim values`);

function text(claims: Claims, claim: string): string {
  return String(claims[claim]);
}

function replaced(claim: Bound, name: string, change: (value: string) => unknown): RefusedClaims {
  return {
    name: `${claim} ${name}`,
    claims: (right) => ({ ...right, [claim]: change(text(right, claim)) }),
    because: unmatched(claim),
  };
}

/** Vault says of each in another way that it is no text. */
function mistyped(claim: Bound, name: string, change: (value: string) => unknown): RefusedClaims {
  const because = [
    `claim "${claim}" could not be converted to string`,
    `error converting claim '${claim}' to string`,
    `claim "${claim}" does not match any associated bound claim values`,
    `claim "${claim}" is missing`,
    `claim "${claim}" not found in token`,
    "received claim is not a string, bool, int or list",
  ];
  return { ...replaced(claim, name, change), because: new RegExp(because.join("|")) };
}

/** What is done to each bound claim in turn. */
function onEach(claim: Bound): RefusedClaims[] {
  return [
    {
      name: `${claim} is missing`,
      claims: ({ [claim]: _, ...rest }) => rest,
      because:
        claim === "repository_id" ? /claim "repository_id"( is missing| not found in token)/ : missing(claim),
    },
    mistyped(claim, "is null", () => null),
    replaced(claim, "is empty", () => ""),
    replaced(claim, "is a wildcard", () => "*"),
    replaced(claim, "is a prefix of the right value", (value) => value.slice(0, -1)),
    replaced(claim, "continues after the right value", (value) => `${value}0`),
    replaced(claim, "has something before the right value", (value) => `0${value}`),
    replaced(claim, "ends in a space", (value) => `${value} `),
    replaced(claim, "begins with a space", (value) => ` ${value}`),
    replaced(claim, "ends in a newline", (value) => `${value}\n`),
    replaced(claim, "ends in a NUL", (value) => `${value}\u0000`),
    replaced(claim, "hides a zero-width space", (value) => `${value.slice(0, 1)}\u200b${value.slice(1)}`),
    mistyped(claim, "is true", () => true),
    mistyped(claim, "is an object around the right value", (value) => ({ value })),
    mistyped(claim, "is a list of the right value", (value) => [value]),
    mistyped(claim, "is a list that holds the right value too", (value) => ["*", value]),
    mistyped(claim, "is a list of wrong values", (value) => [`${value}0`, "*"]),
    mistyped(claim, "is an empty list", () => []),
    replaced(claim, "names two values joined by a comma", (value) => `${value},${value}`),
  ];
}

function onEachId(claim: "repository_id" | "repository_owner_id"): RefusedClaims[] {
  return [
    mistyped(claim, "is a number instead of text", Number),
    replaced(claim, "has a leading zero", (value) => `0${value}`),
    replaced(claim, "has a sign", (value) => `+${value}`),
    replaced(claim, "has a fraction", (value) => `${value}.0`),
    replaced(claim, "is written in hexadecimal", (value) => `0x${Number(value).toString(16)}`),
    replaced(claim, "is written in full-width digits", (value) =>
      value.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    ),
  ];
}

const cyrillic: Record<string, string> = { a: "а", c: "с", e: "е", i: "і", o: "о", p: "р" };
const lookAlike = (value: string) => value.replace(/[aceiop]/, (letter) => cyrillic[letter] ?? letter);

function onEachName(claim: "environment" | "ref" | "job_workflow_ref"): RefusedClaims[] {
  return [
    replaced(claim, "is in capitals", (value) => value.toUpperCase()),
    replaced(claim, "has one capital", (value) => value.replace(/[a-z]/, (letter) => letter.toUpperCase())),
    replaced(claim, "has a Cyrillic look-alike letter", lookAlike),
    replaced(claim, "has a combining accent", (value) => `${value}\u0301`),
    replaced(claim, "is percent-encoded", (value) => `%${value.charCodeAt(0).toString(16)}${value.slice(1)}`),
    replaced(claim, "ends in a wildcard", (value) => `${value.slice(0, 3)}*`),
  ];
}

const disguises: RefusedClaims[] = [
  {
    name: "the right id under another case of its claim's name",
    claims: ({ repository_id, ...rest }) => ({ ...rest, Repository_ID: repository_id }),
    because: /claim "repository_id"/,
  },
  {
    name: "the right id under a name with a space",
    claims: ({ repository_owner_id, ...rest }) => ({ ...rest, "repository_owner_id ": repository_owner_id }),
    because: missing("repository_owner_id"),
  },
  {
    name: "the right claims one level down",
    claims: (right) => ({
      iss: right.iss,
      aud: right.aud,
      sub: right.sub,
      iat: right.iat,
      nbf: right.nbf,
      exp: right.exp,
      claims: right,
    }),
    because: /claim "\w+" (is missing|not found)/,
  },
];

/** Bound claims whose values are wrong, each in a way of its own. */
export const refusedValues: RefusedClaims[] = [
  ...bound.flatMap(onEach),
  ...(["repository_id", "repository_owner_id"] as const).flatMap(onEachId),
  ...(["environment", "ref", "job_workflow_ref"] as const).flatMap(onEachName),
  ...disguises,
];
