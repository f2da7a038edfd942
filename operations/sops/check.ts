import { distance } from "fastest-levenshtein";
import type { Model } from "../../model/model.ts";
import type { Problem } from "../problem.ts";
import { type Bootstrap, type Leaf, readBootstrap } from "./document.ts";
import { fitsReference, isReference, type References, referencesOf } from "./reference.ts";
import { looksLikeSecret, namesSecret } from "./suspicion.ts";

/** What sops makes of one value: AES-GCM keeps its length, and its type is said in clear. */
const ciphertext =
  /^ENC\[AES256_GCM,data:([A-Za-z0-9+/]+={0,2}),iv:[A-Za-z0-9+/]+={0,2},tag:[A-Za-z0-9+/]+={0,2},type:(str|int|float|bool|bytes)\]$/;

/** Bytes; what is longer is no default but a document, a key or a certificate. */
const longestDefault = 256;

/**
 * What can be said about an encrypted bootstrap file without a private key, so in every fork (R3, R4): it is
 * encrypted, to the catalogue's recipients and with nothing but age; its services and variables are the
 * catalogue's; a toggle is a boolean; and where a secret is meant lies a text exactly as long as its reference.
 */
export function checkEncrypted(file: string, text: string, model: Model): Problem[] {
  const bootstrap = readBootstrap(file, text);
  if (bootstrap.sops === undefined) {
    if (bootstrap.problems.length === 0) {
      const message = "is not encrypted: remove it and make it with `keyplane sops encrypt`";
      bootstrap.problems.push({ file, line: 1, column: 1, message });
    }
    return ordered(bootstrap.problems);
  }
  return ordered([
    ...bootstrap.problems,
    ...checkRecipients(file, bootstrap.sops, model.recipients),
    ...checkNames(file, bootstrap, referencesOf(model)),
    ...bootstrap.leaves.flatMap((leaf) => checkCiphertext(file, leaf, referencesOf(model))),
  ]);
}

/** Everything that a bootstrap in clear may be wrong about; for what is about to be encrypted. */
export function checkPlain(file: string, text: string, model: Model): Problem[] {
  const bootstrap = readBootstrap(file, text);
  const references = referencesOf(model);
  if (bootstrap.sops !== undefined) {
    bootstrap.problems.push({ file, ...position(bootstrap.sops), message: "is encrypted already" });
    return ordered(bootstrap.problems);
  }
  return ordered([
    ...bootstrap.problems,
    ...checkNames(file, bootstrap, references),
    ...bootstrap.leaves.flatMap((leaf) => checkValue(file, leaf, leaf.value, references)),
  ]);
}

/** The same on what a key holder decrypts, at the positions of the encrypted file. */
export function checkDecrypted(file: string, text: string, decrypted: unknown, model: Model): Problem[] {
  const references = referencesOf(model);
  return readBootstrap(file, text).leaves.flatMap((leaf) => {
    const value = at(decrypted, ["services", leaf.service, leaf.section, leaf.variable]);
    return checkValue(file, leaf, value, references);
  });
}

function checkRecipients(
  file: string,
  sops: NonNullable<Bootstrap["sops"]>,
  recipients: Model["recipients"],
): Problem[] {
  const refuse = (message: string): Problem => ({ file, ...position(sops), message: `sops: ${message}` });
  const { age, mac, lastmodified, version, unencrypted_suffix: suffix, ...others } = sops.data;
  const problems: Problem[] = [];
  for (const [key, value] of Object.entries(others)) {
    // Older versions of sops wrote an empty list for what is not used.
    if (Array.isArray(value) && value.length === 0) continue;
    problems.push(refuse(`"${key}" is not allowed: only age, to the catalogue's recipients`));
  }
  if (suffix !== undefined && suffix !== "_unencrypted") {
    problems.push(refuse("unencrypted_suffix leaves values in clear"));
  }
  if (typeof mac !== "string" || !ciphertext.test(mac)) {
    problems.push(refuse("has no mac: encrypt it again with `keyplane sops encrypt`"));
  }
  if (typeof lastmodified !== "string" || typeof version !== "string") {
    problems.push(refuse("is not what sops writes (lastmodified, version)"));
  }
  const holds = (Array.isArray(age) ? age : []).map((entry) => String(at(entry, ["recipient"])));
  for (const { person, age: key } of recipients) {
    if (!holds.includes(key)) problems.push(refuse(`${person} cannot decrypt it; encrypt it again`));
  }
  for (const key of holds) {
    if (recipients.some((recipient) => recipient.age === key)) continue;
    problems.push(refuse(`is encrypted to ${key}, who is not in the catalogue; encrypt it again without`));
  }
  return problems;
}

function checkNames(file: string, { leaves }: Bootstrap, references: References): Problem[] {
  return leaves.flatMap((leaf) => {
    const refuse = (message: string): Problem[] => [{ file, ...position(leaf), message }];
    const variables = references.get(leaf.service);
    if (variables === undefined) {
      return refuse(
        `services.${leaf.service}: unknown service${meant(leaf.service, [...references.keys()])}`,
      );
    }
    if (!/^[A-Z][A-Z0-9_]*$/.test(leaf.variable)) {
      return refuse(`${where(leaf)}: a variable is written in capitals, e.g. LOG_LEVEL`);
    }
    const secret = variables.get(leaf.variable);
    if (leaf.section === "secrets" && secret === undefined) {
      const hint = meant(leaf.variable, [...variables.keys()]);
      return refuse(`${where(leaf)}: the catalogue gives ${leaf.service} no such variable${hint}`);
    }
    if (leaf.section !== "secrets" && secret !== undefined) {
      return refuse(
        `${where(leaf)}: is the secret ${secret.secret}; move it to secrets: ${secret.reference}`,
      );
    }
    if (leaf.section !== "secrets" && namesSecret(leaf.variable)) {
      return refuse(`${where(leaf)}: by its name a secret: declare it in the catalogue and refer to it`);
    }
    return [];
  });
}

function checkCiphertext(file: string, leaf: Leaf, references: References): Problem[] {
  const refuse = (message: string): Problem[] => [
    { file, ...position(leaf), message: `${where(leaf)}: ${message}` },
  ];
  const match = typeof leaf.value === "string" ? ciphertext.exec(leaf.value) : null;
  if (match === null) return refuse("is not encrypted (or empty); encrypt the file again");
  const [, data = "", type = ""] = match;
  const bytes = Buffer.from(data, "base64").length;
  if (leaf.section === "toggles") return type === "bool" ? [] : refuse("a toggle is true or false");
  if (leaf.section === "defaults") {
    if (type === "bool") return refuse("true or false is a toggle: move it to toggles");
    if (type === "bytes" || bytes > longestDefault) return refuse("is too long for a default");
    return [];
  }
  const expected = references.get(leaf.service)?.get(leaf.variable);
  if (expected === undefined || (type === "str" && fitsReference(bytes, expected.reference))) return [];
  return refuse(`cannot be the reference ${expected.reference}; ${fix(expected.secret)}`);
}

function checkValue(file: string, leaf: Leaf, value: unknown, references: References): Problem[] {
  const refuse = (message: string): Problem[] => [
    { file, ...position(leaf), message: `${where(leaf)}: ${message}` },
  ];
  if (leaf.section === "toggles") {
    return typeof value === "boolean" ? [] : refuse("a toggle is true or false");
  }
  if (leaf.section === "secrets") {
    const expected = references.get(leaf.service)?.get(leaf.variable);
    if (expected === undefined) return [];
    if (typeof value === "string" && isReference(value, expected.reference)) return [];
    return refuse(`is not the reference ${expected.reference}; ${fix(expected.secret)}`);
  }
  if (typeof value === "number") return [];
  if (typeof value === "boolean") return refuse("true or false is a toggle: move it to toggles");
  if (typeof value !== "string" || value === "") return refuse("a default is a text or a number, not empty");
  if (value.startsWith("vault:")) return refuse("a reference belongs under secrets");
  if (Buffer.byteLength(value) > longestDefault) return refuse("is too long for a default");
  const secret = looksLikeSecret(value);
  if (secret === undefined) return [];
  return refuse(`looks like ${secret}: declare it in the catalogue, and rotate it if it was ever committed`);
}

function fix(secret: string): string {
  return `write exactly that, and its value with \`keyplane set ${secret}\``;
}

function where({ service, section, variable }: Leaf): string {
  return `services.${service}.${section}.${variable}`;
}

function position({ line, column }: { line: number; column: number }): { line: number; column: number } {
  return { line, column };
}

function meant(name: string, known: string[]): string {
  const nearest = known.toSorted((a, b) => distance(name, a) - distance(name, b))[0];
  return nearest !== undefined && distance(name, nearest) <= 3 ? `; did you mean ${nearest}?` : "";
}

function at(value: unknown, path: string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}

function ordered(problems: Problem[]): Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
