import { distance } from "fastest-levenshtein";
import type { Problem } from "../../model/catalogue.ts";
import type { Model } from "../../model/model.ts";
import { type Content, canBe, contentOf, type Expected, isExpected } from "./content.ts";
import { type Bootstrap, type Leaf, readBootstrap } from "./document.ts";

/** What sops makes of one value: AES-GCM keeps its length, and its type is said in clear. */
const ciphertext =
  /^ENC\[AES256_GCM,data:([A-Za-z0-9+/]+={0,2}),iv:[A-Za-z0-9+/]+={0,2},tag:[A-Za-z0-9+/]+={0,2},type:(str|int|float|bool|bytes)\]$/;

/**
 * What can be said about an encrypted bootstrap file without a private key, so in every fork (R3, R4): it is
 * encrypted, to the catalogue's recipients and with nothing but age; its services and variables are the
 * catalogue's; a toggle is a boolean; and every text is as long as the default or the reference that it must be.
 */
export function checkEncrypted(file: string, text: string, model: Model): Problem[] {
  const bootstrap = readBootstrap(file, text);
  const content = contentOf(model);
  if (bootstrap.sops === undefined && bootstrap.problems.length === 0) {
    const message = "is not encrypted: remove it from Git, and make it with `keyplane sops encrypt`";
    return [{ file, line: 1, column: 1, message }];
  }
  return ordered([
    ...bootstrap.problems,
    ...(bootstrap.sops === undefined ? [] : checkRecipients(file, bootstrap.sops, model.recipients)),
    ...bootstrap.leaves.flatMap((leaf) => checkLeaf(file, leaf, content)),
  ]);
}

/**
 * What the catalogue gives and the file does not have, as services.<service>.<section>.<variable>. A catalogue
 * that was added to is no reason to refuse the file: what is in it stays right.
 */
export function lacking(file: string, text: string, model: Model): string[] {
  const { leaves } = readBootstrap(file, text);
  const there = new Set(leaves.map(where));
  return [...contentOf(model)].flatMap(([service, variables]) =>
    [...variables]
      .map(([variable, { section }]) => where({ service, section, variable }))
      .filter((name) => !there.has(name)),
  );
}

/**
 * That every value is exactly what the catalogue says, by someone who can decrypt; at the positions of the
 * encrypted file, which passed `checkEncrypted`.
 */
export function checkDecrypted(file: string, text: string, decrypted: unknown, model: Model): Problem[] {
  const content = contentOf(model);
  return readBootstrap(file, text).leaves.flatMap((leaf) => {
    const expected = content.get(leaf.service)?.get(leaf.variable);
    const value = at(decrypted, ["services", leaf.service, leaf.section, leaf.variable]);
    if (expected === undefined || isExpected(value, expected)) return [];
    return [{ file, ...place(leaf), message: `${where(leaf)}: is not ${meant(expected)}` }];
  });
}

function checkRecipients(
  file: string,
  sops: NonNullable<Bootstrap["sops"]>,
  recipients: Model["recipients"],
): Problem[] {
  const refuse = (message: string): Problem => ({ file, ...place(sops), message: `sops: ${message}` });
  const { age, mac, lastmodified, version, unencrypted_suffix: suffix, ...others } = sops.data;
  const problems: Problem[] = [];
  for (const [key, value] of Object.entries(others)) {
    // Older versions of sops wrote an empty list for what is not used.
    if (Array.isArray(value) && value.length === 0) continue;
    problems.push(refuse(`"${key}" is not allowed: only age, to the catalogue's recipients`));
  }
  if (suffix !== undefined && suffix !== "_unencrypted") {
    problems.push(refuse("unencrypted_suffix is not allowed: it leaves values in clear"));
  }
  if (typeof mac !== "string" || !ciphertext.test(mac)) {
    problems.push(refuse(`has no mac; ${again}`));
  }
  if (typeof lastmodified !== "string" || typeof version !== "string") {
    problems.push(refuse(`is not what sops writes (lastmodified, version); ${again}`));
  }
  const holds = (Array.isArray(age) ? age : []).map((entry) => String(at(entry, ["recipient"])));
  for (const { person, age: key } of recipients) {
    if (!holds.includes(key)) problems.push(refuse(`${person} cannot decrypt it; ${again}`));
  }
  for (const key of holds) {
    if (recipients.some((recipient) => recipient.age === key)) continue;
    problems.push(refuse(`is encrypted to ${key}, who is not in the catalogue; ${again}`));
  }
  return problems;
}

function checkLeaf(file: string, leaf: Leaf, content: Content): Problem[] {
  const refuse = (message: string): Problem[] => [
    { file, ...place(leaf), message: `${where(leaf)}: ${message}` },
  ];
  const variables = content.get(leaf.service);
  if (variables === undefined) {
    return refuse(
      `the catalogue gives no service of that name anything${near(leaf.service, [...content.keys()])}`,
    );
  }
  const expected = variables.get(leaf.variable);
  if (expected === undefined) {
    const hint = near(leaf.variable, [...variables.keys()]);
    return refuse(
      `the catalogue gives ${leaf.service} no such variable${hint || "; declare it there first"}`,
    );
  }
  if (expected.section !== leaf.section) {
    return refuse(`belongs under ${expected.section}: it must be ${meant(expected)}`);
  }
  if (leaf.value === "" && expected.value === "") return [];
  const match = typeof leaf.value === "string" ? ciphertext.exec(leaf.value) : null;
  if (match === null) return refuse(`is not encrypted; ${again}`);
  const [, data = "", type = ""] = match;
  const wanted = typeof expected.value === "boolean" ? "bool" : "str";
  const bytes = Buffer.from(data, "base64").length;
  if (type !== wanted || (wanted === "str" && !canBe(bytes, expected))) {
    return refuse(`cannot be ${meant(expected)}`);
  }
  return [];
}

const again = "run `keyplane sops encrypt`";

/** In words; a reference and a setting are no secrets, and stand in the catalogue in clear. */
function meant(expected: Expected): string {
  if (expected.section === "secrets") {
    return `the reference ${expected.value}: put the value into Vault with \`keyplane set ${expected.secret}\`, and rotate it if it was ever committed`;
  }
  return expected.section === "toggles"
    ? "the catalogue's true or false; run `keyplane sops encrypt`"
    : "the catalogue's setting; run `keyplane sops encrypt`";
}

function where({ service, section, variable }: Pick<Leaf, "service" | "section" | "variable">): string {
  return `services.${service}.${section}.${variable}`;
}

function place({ line, column }: { line: number; column: number }): { line: number; column: number } {
  return { line, column };
}

function near(name: string, known: string[]): string {
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
