import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Secret } from "../../model/model.ts";
import type { Fields } from "./shape.ts";

/** A value that cannot be right. Says which field and what is expected of it; never the value or a part of it. */
export class ValueError extends Error {
  override name = "ValueError";
}

/** Bytes; larger ones belong into a store for files. */
const largest = 64 * 1024;

/**
 * Bits that a secret made elsewhere must come to by the estimate below, which counts every letter that chance repeats
 * against it: 18 random letters and digits (the key of an exchange, 107 bits) come to 55 at the least of 50,000.
 */
const leastBits = 52;

const placeholder =
  /^(change[-_ ]?(me|it)|your[-_ ].*|<[^<>]*>|\{\{?[\w .-]*\}?\}|x{3,}|\*{3,}|\.{3,}|placeholder|example|secret|password|test|todo|tbd|none|null|undefined)$/i;

/**
 * What is wrong with given values, by what their kind demands; throws on the first.
 * @throws ValueError
 */
export function checkValues(secret: Pick<Secret, "id" | "kind" | "generator">, given: Fields): void {
  for (const [field, value] of Object.entries(given)) {
    const problem = problemOf(secret, field, value);
    if (problem !== undefined) throw new ValueError(`${secret.id}, field ${field}: ${problem}`);
  }
}

/**
 * The same for the login of a database user that was there before. What its password is worth does not matter: the next
 * rotation replaces it.
 * @throws ValueError
 */
export function checkPresentLogin(
  { id, databaseUser }: { id: string; databaseUser: NonNullable<Secret["databaseUser"]> },
  given: Fields,
): void {
  const logins = [...new Set([databaseUser.user, ...databaseUser.logins])];
  for (const [field, value] of Object.entries(given)) {
    const problem =
      textProblem(value) ??
      (field === "user" && !logins.includes(value)
        ? `must be the login that the catalogue declares, ${logins.join(" or ")}`
        : controlProblem(value));
    if (problem !== undefined) throw new ValueError(`${id}, field ${field}: ${problem}`);
  }
}

function textProblem(value: string): string | undefined {
  if (value === "") return "is empty";
  if (Buffer.byteLength(value) > largest) return "is larger than 64 KiB";
  if (value.includes("\0")) return "holds a NUL byte; a value is text";
  return value.includes("\uFFFD") ? "is not valid UTF-8" : undefined;
}

function controlProblem(value: string): string | undefined {
  return /[\p{Cc}]/u.test(value) ? "holds a control character" : undefined;
}

function problemOf(secret: Pick<Secret, "kind" | "generator">, field: string, value: string) {
  const text = textProblem(value);
  if (text !== undefined) return text;
  if (secret.kind !== "file" && placeholder.test(value.trim())) return "is a placeholder, not a value";
  switch (secret.kind) {
    case "file":
      return undefined;
    case "certificate":
      return field === "key"
        ? privateKeyProblem(value)
        : field === "certificate"
          ? certificateProblem(value)
          : undefined;
    case "webhook":
      return field === "url" ? webhookProblem(value) : secretProblem(value);
    case "fernet":
      return fernetProblem(value);
    default:
      break;
  }
  if (secret.kind === "jwt" && secret.generator.by === "machine" && secret.generator.encoding === "es256") {
    return signingKeyProblem(value);
  }
  if (field === "user" || field.endsWith("-id")) return nameProblem(value);
  if (value.startsWith("-----BEGIN ")) return privateKeyProblem(value);
  if (secret.generator.by === "machine")
    return generatedProblem(secret.generator, value) ?? secretProblem(value);
  return secretProblem(value);
}

function secretProblem(value: string): string | undefined {
  if (value !== value.trim()) return "begins or ends with a blank or a line break";
  const control = controlProblem(value);
  if (control !== undefined) return control;
  return bitsOf(value) < leastBits ? "is too weak: give at least 18 random characters" : undefined;
}

function nameProblem(value: string): string | undefined {
  return /^[\x21-\x7e]{1,128}$/.test(value)
    ? undefined
    : "must be 1 to 128 visible ASCII characters without blanks";
}

function generatedProblem(generator: { bytes: number; encoding: string }, value: string): string | undefined {
  if (generator.encoding !== "hex") return undefined;
  const digits = generator.bytes * 2;
  if (/^[0-9a-f]+$/i.test(value) && value.length >= digits) return undefined;
  return `must be at least ${digits} hexadecimal digits`;
}

/** https://github.com/fernet/spec: 32 bytes in URL-safe base64 with its padding. */
function fernetProblem(value: string): string | undefined {
  return /^[A-Za-z0-9_-]{43}=$/.test(value)
    ? undefined
    : "must be a Fernet key: 32 bytes in URL-safe base64, 44 characters";
}

function webhookProblem(value: string): string | undefined {
  if (!URL.canParse(value) || value !== value.trim()) return "must be a URL";
  const url = new URL(value);
  if (url.protocol !== "https:") return "must be an https:// URL";
  return url.username !== "" || url.password !== ""
    ? "must not have a user or password in the URL"
    : undefined;
}

function privateKeyProblem(value: string): string | undefined {
  try {
    createPrivateKey(value);
    return undefined;
  } catch {
    return "must be a private key in PEM, without a passphrase";
  }
}

/** RFC 7518, section 3.4: ES256 takes P-256 and no other curve. */
function signingKeyProblem(value: string): string | undefined {
  try {
    const { asymmetricKeyDetails } = createPrivateKey(value);
    if (asymmetricKeyDetails?.namedCurve === "prime256v1") return undefined;
  } catch {
    // Said below.
  }
  return "must be a private key on P-256 in PEM, without a passphrase";
}

function certificateProblem(value: string): string | undefined {
  try {
    const { validToDate } = new X509Certificate(value);
    return validToDate.getTime() < Date.now() ? "has expired" : undefined;
  } catch {
    return "must be a certificate in PEM";
  }
}

/**
 * An estimate of a text's worth in bits: its length times the Shannon entropy of its characters. It refuses what is
 * short or repeats itself; it cannot know what is a word.
 */
export function bitsOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= count * Math.log2(count / text.length);
  return bits;
}
