import { z } from "zod";
import { hasChecksum } from "./bech32.ts";

/**
 * The small values that entries are made of. Each states its fix in `error`: the loader appends it to
 * where and what. Nothing here transforms, so that the JSON Schema says the same as the check.
 */

/** A string of a form; `fix` is an instruction with an example. */
export function text(pattern: RegExp, fix: string) {
  return z.string({ error: fix }).regex(pattern, { error: fix });
}

export const namePattern = /^[a-z][a-z0-9]*([-_][a-z0-9]+)*$/;

/** Names of entries. "." joins names in Vault and so cannot occur in one; 40 leaves room for joined names. */
export const Name = text(
  namePattern,
  "write lower-case letters, digits and single - or _ between them, such as titan-brain",
)
  .max(40, { error: "write at most 40 characters" })
  .meta({ id: "Name", description: "Lower-case letters, digits and single - or _ between them." });

export const Field = text(
  /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
  "write lower-case letters, digits and single - between them, such as key-id",
)
  .max(40, { error: "write at most 40 characters" })
  .meta({ id: "Field", description: "A field of a secret's version." });

export const Variable = text(
  /^[A-Z][A-Z0-9_]*$/,
  "write an environment variable in upper case, such as TITAN_DB_PASSWORD_FILE",
)
  .max(80, { error: "write at most 80 characters" })
  .meta({ id: "Variable", description: "An environment variable; one that ends in _FILE names a file." });

export const Duration = text(/^[1-9][0-9]{0,5}(s|m|h|d|w)$/, "write a duration such as 21d or 12h").meta({
  id: "Duration",
  description: "A whole number with a unit: s, m, h, d or w.",
});

export const Size = text(/^[1-9][0-9]{0,5}B$/, "write a size such as 32B").meta({
  id: "Size",
  description: "A whole number of bytes with its unit: 32B.",
});

export const Sentence = z
  .string({ error: "write a sentence" })
  .min(3, { error: "write a sentence" })
  .max(300, { error: "write at most 300 characters" })
  .regex(/^[^\p{Cc}]*$/u, { error: "write it on one line, without control characters" });

export const Day = z
  .string({ error: "write a day such as 2026-12-31" })
  .regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/, { error: "write a day such as 2026-12-31" })
  .refine((day) => isDay(day), { error: "write a day of the calendar, such as 2026-12-31" })
  .meta({ id: "Day", description: "A day of the calendar: 2026-12-31." });

function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

export const Email = text(
  /^[^\s@:/<>"']+@[a-z0-9-]+(\.[a-z0-9-]+)+$/i,
  "write an address such as ada@acme.example",
);

export const Host = text(
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i,
  "write a host name or an IPv4 address, without scheme and port",
);

export const Port = z
  .int({ error: "write a port from 1 to 65535" })
  .min(1, { error: "write a port from 1 to 65535" })
  .max(65535, { error: "write a port from 1 to 65535" });

/** Letters of a URL are none yet: brackets may not close, a port be over 65535, the last part of a host be a number too many. */
function url(pattern: RegExp, fix: string) {
  return z
    .string({ error: fix })
    .regex(pattern, { error: fix, abort: true })
    .refine((written) => URL.canParse(written), { error: fix });
}

export const HttpsUrl = url(
  /^https:\/\/[^\s@?#*"'<>]+$/,
  "write an https:// address without user, query and wildcard, such as https://vault.acme.example",
);

/** Where a process is looked at: often plain http on a private network. */
export const BaseUrl = url(
  /^https?:\/\/[a-z0-9.-]+(:[0-9]{1,5})?(\/[^\s@?#*"'<>]*)?$/i,
  "write an http:// or https:// address without user, query and wildcard, such as http://10.20.0.5:8080",
);

export const UrlPath = text(/^\/[^\s?#"'<>]*$/, "write a path such as /metrics");

export const Cidr = text(
  /^((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)\/(3[0-2]|[12]?\d)$/,
  "write an IPv4 range such as 10.20.0.0/24",
).refine((range) => !range.endsWith("/0"), { error: "write a range that is not the whole internet" });

/** A public age recipient (bech32, X25519). Private halves never come near the repository (R5). */
export const AgeRecipient = text(
  /^age1[ac-hj-np-z02-9]{58}$/,
  "write the public half, which age-keygen prints after 'public key:' (age1…)",
)
  .refine(hasChecksum, { error: "copy the public half again, a letter of it is wrong" })
  .meta({ id: "AgeRecipient" });

/** One or more public certificates; a private key has no place in the repository. */
export const Certificate = text(
  /^(\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----)+\s*$/,
  "write the PEM of a certificate: -----BEGIN CERTIFICATE----- … -----END CERTIFICATE-----",
);

/** Files in the host's file system or beside the Compose file; no way up and no pattern. */
export const FilePath = text(
  /^(?!.*(^|\/)\.\.(\/|$))[A-Za-z0-9._/-]+$/,
  "write a path of letters, digits, . _ - and /, without ..",
);

/**
 * What a line of a log may be held against, thousands of times a second: nothing repeats without a bound, and no group does,
 * so that no line takes longer than a few thousand steps for each of its characters. Bounded lines are the reader's part.
 */
export const LinePattern = z
  .string({ error: "write a regular expression such as level=(error|fatal)" })
  .min(3, { error: "write at least 3 characters" })
  .max(200, { error: "write at most 200 characters" })
  .refine(isBounded, {
    error:
      "write a regular expression of words, classes, groups and |, such as level=(error|fatal): without *, +, {N,}, repeated groups, " +
      "look-around and back-references, and with {N,M} at most twice and up to 100",
  });

function isBounded(pattern: string): boolean {
  try {
    new RegExp(pattern, "u");
  } catch {
    return false;
  }
  if (/\\[1-9k]/.test(pattern)) return false;
  // What stands in classes and behind a backslash repeats nothing.
  const bare = pattern.replace(/\\./gu, "x").replace(/\[[^\]]*\]/gu, "x");
  if (/[*+]|\(\?[^:]|\)[?{]/.test(bare)) return false;
  const repeats = [...bare.matchAll(/\{(\d+)(,(\d*))?\}/g)].map(([, least, open, most]) =>
    open === undefined ? Number(least) : most === "" ? Number.POSITIVE_INFINITY : Number(most),
  );
  return repeats.length <= 2 && repeats.every((most) => most <= 100) && (bare.match(/\?/g) ?? []).length <= 4;
}

export const FileName = text(
  /^[A-Za-z0-9_][A-Za-z0-9._-]*$/,
  "write a file name of letters, digits, . _ and -, without folders",
);

export const Identifier = text(
  /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
  "write the exact name there: letters, digits, . _ and -",
).max(100, { error: "write at most 100 characters" });

export const SqlName = text(
  /^[a-z_][a-z0-9_]*$/,
  "write a Postgres name of lower-case letters, digits and _",
).max(63, { error: "write at most 63 characters, Postgres' own limit" });

export const KubernetesName = text(
  /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/,
  "write a Kubernetes name of lower-case letters, digits and -",
).max(63, { error: "write at most 63 characters, Kubernetes' own limit" });

export const Repository = z
  .strictObject({
    name: text(/^[A-Za-z0-9][A-Za-z0-9-]*\/[A-Za-z0-9._-]+$/, "write owner/name, such as acme/titan"),
    id: z.int({ error: "write GitHub's numeric id" }).positive({ error: "write GitHub's numeric id" }),
    "owner-id": z
      .int({ error: "write GitHub's numeric id" })
      .positive({ error: "write GitHub's numeric id" }),
    subject: z
      .enum(["immutable", "names"], { error: "write immutable or names" })
      .optional()
      .meta({
        description:
          "Form of the subject in its tokens: immutable (with the ids, by default), or names alone, which repositories " +
          "from before July 2026 send that have not moved.",
      }),
    "names-until": Day.optional().meta({
      description: "During a move from names to immutable subjects: the last day on which both are trusted.",
    }),
  })
  .meta({
    id: "Repository",
    description: "A GitHub repository, by the ids that survive renames and cannot be recycled.",
  });

export const Branch = text(
  /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/,
  "write an exact branch name such as main; patterns are not bound",
);

export const Retired = z
  .strictObject({
    since: Day,
    reason: Sentence,
    delete: z.boolean({ error: "write true or false" }).optional(),
  })
  .meta({
    id: "Retired",
    description:
      "Takes an entry out of use without losing its data: its consumers lose access, its data stays. " +
      "Only a later change that adds delete: true lets the data go.",
  });

export const renamedFrom = Name.optional().meta({
  description:
    "The name that this entry had when its data was made. Everything that holds data (KV paths, Vault " +
    "objects, Pulumi's logical names) keeps that name, so a rename moves and loses nothing. Keep it for " +
    "as long as the entry exists; after a second rename it is still the first name.",
});

export const Exceptions = z
  .record(
    Name,
    z.strictObject({
      rule: text(/^[A-Za-z0-9][A-Za-z0-9-]*$/, "write the rule's name, such as R12 or database-ttl"),
      "applies-to": text(/^[a-z0-9][a-z0-9_./-]*$/, "write an entry such as titan/ledger"),
      owner: Name,
      reason: Sentence,
      expires: Day,
    }),
  )
  .optional()
  .meta({ description: "Secure defaults that are turned off on purpose, by whom, why and until when." });

/** Columns of ciphertext; the rotation re-encrypts them before an old key goes (R23). */
export const Stored = z
  .array(
    z.strictObject({
      database: Name.meta({ description: "A database of this system." }),
      schema: SqlName.optional().meta({ description: "public by default." }),
      table: SqlName,
      key: SqlName.optional().meta({
        description: "Unique, ordered column that batches go by; id by default.",
      }),
      column: SqlName.meta({ description: "The column of ciphertext." }),
    }),
  )
  .min(1, { error: "name at least one column" })
  .superRefine(refuseTwice)
  .meta({
    id: "Stored",
    description: "Ciphertext under this key, re-encrypted before an old one goes (R23).",
  });

/** A list in which nothing stands twice. */
export function list<S extends z.ZodType>(item: S) {
  return z.array(item).superRefine(refuseTwice);
}

/** The same with at least one item. */
export function some<S extends z.ZodType>(item: S, fix: string) {
  return z.array(item).min(1, { error: fix }).superRefine(refuseTwice);
}

function refuseTwice(items: unknown[], context: z.core.$RefinementCtx<unknown[]>): void {
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = JSON.stringify(item);
    if (seen.has(key)) {
      context.addIssue({
        code: "custom",
        path: [index],
        message: "remove it, it stands in the list already",
      });
    }
    seen.add(key);
  }
}

/** The shape of an entry together with `per-environment`, which may hold any part of the same shape. */
export function perEnvironment<S extends z.core.$ZodLooseShape>(shape: S, description: string) {
  return z.strictObject({ ...shape, "per-environment": differences(shape) }).meta({ description });
}

function differences<S extends z.core.$ZodLooseShape>(shape: S) {
  return z
    .record(Name, z.strictObject(shape).partial())
    .optional()
    .meta({
      description:
        "What differs in an environment: its name and any part of this entry. Mappings merge, everything " +
        "else replaces. Every environment is checked after the merge.",
    });
}
